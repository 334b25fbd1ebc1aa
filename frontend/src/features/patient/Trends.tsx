import { Button, SegmentedControl } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { ErrorNote } from '@/components/ErrorNote';
import { type Alert, api, type Limits, type Patient, take, type VitalsHistory } from '@/lib/api/client';
import { openAlerts } from '@/lib/alarms';
import { live } from '@/lib/live';
import { formatClock, formatMoment } from '@/lib/time';
import { formatNumber, VITALS, type VitalInfo } from '@/lib/vitals';
import { RANGES, type RangeName, type TimeRange, viewOf } from './ranges';
import { chartData, describe, episodes } from './series';
import { TrendChart } from './TrendChart';
import { TrendTable } from './TrendTable';
import css from './Trends.module.css';

/* About two points per pixel of a chart: more is drawn slower and looks the same. */
const POINTS = 1000;

interface View extends TimeRange {
  following: boolean;
}

function useHistory(id: string, name: RangeName, highlight: TimeRange | null) {
  const fixed = viewOf(name, highlight, live.serverNow());
  const key = fixed.following ? name : `${fixed.from}-${fixed.to}`;
  return useQuery({
    queryKey: ['history', id, key],
    queryFn: async (): Promise<{ history: VitalsHistory; view: View }> => {
      const view = viewOf(name, highlight, live.serverNow());
      const query = { from: new Date(view.from).toISOString(), to: new Date(view.to).toISOString(), points: POINTS };
      const answer = await take(api.GET('/api/patients/{id}/vitals/history', { params: { path: { id }, query } }));
      if ('readings' in answer) throw new Error('The server sent readings instead of points');
      return { history: answer, view };
    },
    refetchInterval: fixed.following ? RANGES[name].refreshMs : false,
    placeholderData: keepPreviousData,
  });
}

function useEpisodeAlerts(patient: Patient): Alert[] {
  const history = useQuery({
    queryKey: ['alerts', patient.id],
    queryFn: () => take(api.GET('/api/alerts/{patient_id}/history', { params: { path: { patient_id: patient.id } } })),
    refetchInterval: 15_000,
  });
  return useMemo(() => {
    const open = openAlerts(patient);
    const ids = new Set(open.map((alert) => alert.id));
    return [...open, ...(history.data ?? []).filter((alert) => !ids.has(alert.id))];
  }, [patient, history.data]);
}

interface TrendProps {
  info: VitalInfo;
  history: VitalsHistory;
  view: View;
  limits: Limits | undefined;
  alerts: readonly Alert[];
  highlight: TimeRange | null;
}

function Trend({ info, history, view, limits, alerts, highlight }: TrendProps) {
  const [cursor, setCursor] = useState<number | null>(null);
  const data = useMemo(() => chartData(history, info.series), [history, info]);
  const shaded = useMemo(() => episodes(alerts, info, view.to), [alerts, info, view.to]);
  const words = describe(history, info, view.to);
  const visible = shaded.filter((episode) => episode.to >= view.from && episode.from <= view.to).length;
  const at = cursor === null ? undefined : data.x[cursor];
  const values = info.series.map((_, i) => formatNumber(data.columns[3 * i]?.[cursor ?? -1] ?? null, info.decimals));
  return (
    <figure className={css.trend}>
      <figcaption className={css.caption}>
        <strong>
          {info.label} <span className={css.unit}>{info.unit}</span>
        </strong>
        <span className={css.words}>
          {at === undefined ? words : `${formatClock(at * 1000)}  ${values.join('/')}`}
          {at === undefined && visible > 0 && ` · ${visible} ${visible === 1 ? 'alarm' : 'alarms'}`}
        </span>
      </figcaption>
      <TrendChart
        info={info}
        data={data}
        range={view}
        limits={limits?.[info.limits]}
        episodes={shaded}
        highlight={highlight}
        label={`${info.label}: ${words}; ${visible} alarms`}
        onCursor={setCursor}
      />
    </figure>
  );
}

interface Props {
  patient: Patient;
  highlight: TimeRange | null;
  onClearHighlight: () => void;
}

export function Trends({ patient, highlight, onClearHighlight }: Props) {
  const [range, setRange] = useState<RangeName>('1h');
  const [form, setForm] = useState('charts');
  const { data, error } = useHistory(patient.id, range, highlight);
  const limits = useQuery({
    queryKey: ['limits', patient.id],
    queryFn: () => take(api.GET('/api/patients/{id}/limits', { params: { path: { id: patient.id } } })),
  });
  const alerts = useEpisodeAlerts(patient);
  return (
    <section aria-labelledby="trends" className={css.trends}>
      <div className={css.head}>
        <h2 id="trends">Trends</h2>
        <SegmentedControl
          aria-label="Time range"
          value={range}
          onChange={(value) => (setRange(value as RangeName), onClearHighlight())}
          data={Object.entries(RANGES).map(([value, { label }]) => ({ value, label }))}
        />
        <SegmentedControl
          aria-label="Charts or table"
          value={form}
          onChange={setForm}
          data={[
            { value: 'charts', label: 'Charts' },
            { value: 'table', label: 'Table' },
          ]}
        />
      </div>
      {highlight && (
        <p className={css.highlight} role="status">
          Evidence from {formatMoment(highlight.from, highlight.to)} to {formatClock(highlight.to)} is marked.{' '}
          <Button size="xs" variant="default" onClick={onClearHighlight}>
            Clear
          </Button>
        </p>
      )}
      <ErrorNote error={error} what="Trends" />
      {data && data.history.implausible && data.history.implausible.count > 0 && (
        <p className={css.words}>{data.history.implausible.count} implausible values are not drawn.</p>
      )}
      {data &&
        (form === 'table' ? (
          <TrendTable history={data.history} range={data.view} now={data.view.to} />
        ) : (
          VITALS.map((info) => (
            <Trend
              key={info.field}
              info={info}
              history={data.history}
              view={data.view}
              limits={limits.data}
              alerts={alerts}
              highlight={highlight}
            />
          ))
        ))}
    </section>
  );
}
