/* WardGrid.tsx - the cards.  From VIRTUAL_FROM beds on only the rows in view are in the page. */
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { Patient } from '@/lib/api/client';
import { useNow } from '@/lib/hooks';
import { BedCard } from './BedCard';
import css from './WardGrid.module.css';

const VIRTUAL_FROM = 200;
/* Few beds: large, for a wall screen read from three metres.  Many: as many as fit. */
const DENSITIES = [
  { name: 'large', upTo: 15, columnMin: 265 },
  { name: 'medium', upTo: 40, columnMin: 240 },
  { name: 'compact', upTo: Infinity, columnMin: 200 },
] as const;

const densityOf = (count: number) => DENSITIES.find(({ upTo }) => count <= upTo)!;
const GAP = 12;

export function WardGrid({ patients, total }: { patients: readonly Patient[]; total: number }) {
  const density = densityOf(total);
  const virtual = patients.length >= VIRTUAL_FROM;
  return (
    <div className={css.frame} data-density={density.name}>
      {virtual ? (
        <VirtualGrid patients={patients} columnMin={density.columnMin} />
      ) : (
        <PlainGrid patients={patients} columnMin={density.columnMin} />
      )}
    </div>
  );
}

interface GridProps {
  patients: readonly Patient[];
  columnMin: number;
}

function PlainGrid({ patients, columnMin }: GridProps) {
  const now = useNow();
  return (
    <ul
      className={css.grid}
      style={{ gridTemplateColumns: `repeat(auto-fill, minmax(min(100%, ${columnMin}px), 1fr))` }}
    >
      {patients.map((patient) => (
        <li key={patient.id}>
          <BedCard patient={patient} now={now} />
        </li>
      ))}
    </ul>
  );
}

function useWidth(ref: React.RefObject<HTMLElement | null>): { width: number; top: number } {
  const [size, setSize] = useState({ width: 0, top: 0 });
  useLayoutEffect(() => {
    const element = ref.current!;
    const observer = new ResizeObserver(() =>
      setSize({ width: element.clientWidth, top: element.getBoundingClientRect().top + window.scrollY }),
    );
    observer.observe(element);
    return () => observer.disconnect();
  }, [ref]);
  return size;
}

function VirtualGrid({ patients, columnMin }: GridProps) {
  const now = useNow();
  const ref = useRef<HTMLDivElement>(null);
  const { width, top } = useWidth(ref);
  const columns = Math.max(1, Math.floor((width + GAP) / (columnMin + GAP)));
  const rows = useWindowVirtualizer({
    count: Math.ceil(patients.length / columns),
    estimateSize: () => 260,
    gap: GAP,
    overscan: 2,
    scrollMargin: top,
  });
  useEffect(() => rows.measure(), [rows, columns]);
  return (
    <div
      ref={ref}
      className={css.virtual}
      style={{ height: rows.getTotalSize() }}
      role="list"
      aria-label={`${patients.length} beds`}
    >
      {rows.getVirtualItems().map((row) => (
        <div
          key={row.key}
          ref={rows.measureElement}
          data-index={row.index}
          role="presentation"
          className={css.row}
          style={{
            transform: `translateY(${row.start - top}px)`,
            gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
          }}
        >
          {patients.slice(row.index * columns, (row.index + 1) * columns).map((patient) => (
            <div role="listitem" key={patient.id}>
              <BedCard patient={patient} now={now} />
            </div>
          ))}
        </div>
      ))}
    </div>
  );
}
