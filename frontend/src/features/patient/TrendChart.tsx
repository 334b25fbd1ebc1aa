/* TrendChart.tsx - one vital over time on a canvas (uPlot), with limits, alarm episodes, and the
 * stretch of time that a sentence of the summary points at.  What it says in words stands above. */
import { useMantineColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import type { VitalLimits } from '@/lib/api/client';
import { LIMIT_KEYS, type VitalInfo } from '@/lib/vitals';
import type { TimeRange } from './ranges';
import type { ChartData, Episode } from './series';

export interface ChartProps {
  info: VitalInfo;
  data: ChartData;
  range: TimeRange;
  limits: VitalLimits | undefined;
  episodes: readonly Episode[];
  highlight: TimeRange | null;
  label: string;
  onCursor: (index: number | null) => void;
}

const HEIGHT = 160;
/* Room on the right for the limits' numbers, and how close two of them may stand. */
const MARGIN_PX = 40;
const LABEL_PX = 12;
const SYNC = uPlot.sync('trends');

type Colours = Record<'line' | 'text' | 'dim' | 'accent' | 'critical-text' | 'warning-text' | 'mark', string>;

function coloursOf(element: Element): Colours {
  const style = getComputedStyle(element);
  const names = ['line', 'text', 'dim', 'accent', 'critical-text', 'warning-text', 'mark'] as const;
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()])) as Colours;
}

function yRange(data: ChartData, info: VitalInfo): [number, number] {
  let [low, high] = info.scale;
  for (const column of data.columns)
    for (const value of column)
      if (value !== null) {
        if (value < low) low = value;
        if (value > high) high = value;
      }
  const pad = (high - low) * 0.05;
  return [low === info.scale[0] ? low : low - pad, high === info.scale[1] ? high : high + pad];
}

/* From below the chart's edge to above it, in canvas pixels. */
function stretch(u: uPlot, { from, to }: TimeRange): { left: number; width: number } | null {
  const { left, width } = u.bbox;
  const a = Math.max(left, u.valToPos(from / 1000, 'x', true));
  const b = Math.min(left + width, u.valToPos(to / 1000, 'x', true));
  return b < left || a > left + width ? null : { left: a, width: Math.max(b - a, 2 * devicePixelRatio) };
}

function drawEpisodes(u: uPlot, list: readonly Episode[], colours: Colours): void {
  const { ctx, bbox } = u;
  for (const episode of list) {
    const at = stretch(u, episode);
    if (!at) continue;
    ctx.fillStyle = colours[`${episode.severity}-text`];
    ctx.globalAlpha = 0.16;
    ctx.fillRect(at.left, bbox.top, at.width, bbox.height);
    ctx.globalAlpha = 1;
    /* A bar on top: whole for critical, half as high for warning. */
    ctx.fillRect(at.left, bbox.top, at.width, (episode.severity === 'critical' ? 6 : 3) * devicePixelRatio);
  }
}

function drawHighlight(u: uPlot, highlight: TimeRange, colours: Colours): void {
  const at = stretch(u, highlight);
  if (!at) return;
  const { ctx, bbox } = u;
  ctx.fillStyle = ctx.strokeStyle = colours.mark;
  ctx.globalAlpha = 0.22;
  ctx.fillRect(at.left, bbox.top, at.width, bbox.height);
  ctx.globalAlpha = 1;
  ctx.lineWidth = 2 * devicePixelRatio;
  ctx.strokeRect(at.left, bbox.top, at.width, bbox.height);
}

function drawLimits(u: uPlot, limits: VitalLimits, colours: Colours): void {
  const { ctx, bbox } = u;
  ctx.font = `${LABEL_PX * devicePixelRatio}px sans-serif`;
  ctx.textAlign = 'left';
  ctx.textBaseline = 'middle';
  const labelled: number[] = [];
  /* Critical first: where two numbers would overlap, its number is the one that stays. */
  for (const key of [...LIMIT_KEYS].sort()) {
    const value = limits[key];
    if (value === null || value === undefined) continue;
    const y = u.valToPos(value, 'y', true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    const critical = key.startsWith('critical');
    ctx.strokeStyle = ctx.fillStyle = critical ? colours['critical-text'] : colours['warning-text'];
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash(critical ? [] : [6 * devicePixelRatio, 5 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.setLineDash([]);
    if (labelled.some((other) => Math.abs(other - y) < LABEL_PX * devicePixelRatio)) continue;
    labelled.push(y);
    ctx.fillText(String(value), bbox.left + bbox.width + 6 * devicePixelRatio, y);
  }
}

/* Per vital three series: mean, and min and max that only bound the band. */
function seriesOf(info: VitalInfo, colours: Colours): uPlot.Series[] {
  return info.series.flatMap((field, i) => {
    const stroke = i === 0 ? colours.accent : colours.text;
    return [
      { label: field, stroke, width: 2, points: { size: 5, fill: stroke } },
      { label: `${field} min`, width: 0, points: { show: false } },
      { label: `${field} max`, width: 0, points: { show: false } },
    ];
  });
}

function bandsOf(info: VitalInfo, colours: Colours): uPlot.Band[] {
  return info.series.map((_, i) => ({
    series: [3 * i + 3, 3 * i + 2],
    fill: `${i === 0 ? colours.accent : colours.text}40`,
  }));
}

const table = (data: ChartData): uPlot.AlignedData => [data.x, ...data.columns];

export function TrendChart(props: ChartProps) {
  const { info, data, range, label } = props;
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(null);
  /* uPlot's hooks outlive a render: they read what is current from here. */
  const current = useRef(props);
  const { colorScheme } = useMantineColorScheme();

  useEffect(() => {
    current.current = props;
  });

  useEffect(() => {
    const element = box.current!;
    const colours = coloursOf(element);
    const axis = {
      stroke: colours.dim,
      grid: { stroke: colours.line, width: 1 },
      ticks: { stroke: colours.line, width: 1 },
      font: '12px sans-serif',
    };
    const u = new uPlot(
      {
        width: Math.max(element.clientWidth, 100),
        height: HEIGHT,
        padding: [8, MARGIN_PX, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: SYNC.key }, drag: { x: false, y: false }, y: false },
        scales: {
          x: { time: true, range: () => [current.current.range.from / 1000, current.current.range.to / 1000] },
          y: { range: () => yRange(current.current.data, current.current.info) },
        },
        axes: [
          {
            ...axis,
            size: 30,
            values: [
              [86400, '{DD} {MMM}', null, null, null, null, null, null, 1],
              [3600, '{HH}:{mm}', null, null, null, null, null, null, 1],
              [60, '{HH}:{mm}', null, null, null, null, null, null, 1],
              [1, '{HH}:{mm}:{ss}', null, null, null, null, null, null, 1],
            ],
          },
          { ...axis, size: 44, space: 30 },
        ],
        series: [{}, ...seriesOf(info, colours)],
        bands: bandsOf(info, colours),
        hooks: {
          drawAxes: [
            (self) => {
              const { episodes, limits, highlight } = current.current;
              self.ctx.save();
              drawEpisodes(self, episodes, colours);
              if (limits) drawLimits(self, limits, colours);
              if (highlight) drawHighlight(self, highlight, colours);
              self.ctx.restore();
            },
          ],
          setCursor: [(self) => current.current.onCursor(self.cursor.idx ?? null)],
        },
      },
      table(current.current.data),
      element,
    );
    plot.current = u;
    const observer = new ResizeObserver(() => u.setSize({ width: Math.max(element.clientWidth, 100), height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      u.destroy();
      plot.current = null;
    };
  }, [info, colorScheme]);

  useEffect(() => {
    plot.current?.setData(table(data));
  }, [data, range.from, range.to]);

  useEffect(() => {
    plot.current?.redraw(false);
  }, [props.limits, props.episodes, props.highlight]);

  return <div ref={box} role="img" aria-label={label} />;
}
