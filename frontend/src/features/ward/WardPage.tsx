import { SegmentedControl, TextInput } from '@mantine/core';
import { useEffect, useMemo, useRef } from 'react';
import { useSearchParams } from 'react-router';
import { CATEGORIES, type Category } from '@/lib/alarms';
import { CATEGORY_WORDS } from '@/components/SeverityMark';
import { useLiveStatus, usePatients } from '@/lib/hooks';
import { filterWard, type SortBy, sortWard } from './order';
import { useHeldOrder } from './useHeldOrder';
import { WardGrid } from './WardGrid';
import css from './WardPage.module.css';

const asCategory = (text: string | null): Category | null => CATEGORIES.find((category) => category === text) ?? null;

/* The filter lives in the address, so that a wall screen keeps it over a reload. */
function useWardFilter() {
  const [search, setSearch] = useSearchParams();
  const set = (values: Record<string, string | null>) =>
    setSearch(
      (old) => {
        const next = new URLSearchParams(old);
        for (const [name, value] of Object.entries(values))
          if (value) next.set(name, value);
          else next.delete(name);
        return next;
      },
      { replace: true },
    );
  return {
    text: search.get('q') ?? '',
    category: asCategory(search.get('show')),
    sortBy: (search.get('sort') === 'bed' ? 'bed' : 'severity') as SortBy,
    set,
  };
}

function Nothing({ total, filtered }: { total: number; filtered: boolean }) {
  const { connection } = useLiveStatus();
  if (total === 0)
    return (
      <p className={css.nothing}>
        {connection === 'live'
          ? 'No patients are admitted. The first reading of a patient admits it.'
          : 'Waiting for the ward …'}
      </p>
    );
  return filtered ? <p className={css.nothing}>No bed matches the filter.</p> : null;
}

export function WardPage() {
  const all = usePatients();
  const { text, category, sortBy, set } = useWardFilter();
  const watched = useMemo(() => all.filter((patient) => patient.status !== 'discharged'), [all]);
  const sorted = useMemo(
    () => sortWard(filterWard(watched, { text, category }), sortBy),
    [watched, text, category, sortBy],
  );
  const { shown, hold } = useHeldOrder(sorted);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const typing = event.target instanceof HTMLElement && event.target.closest('input, textarea, select');
      if (event.key !== '/' || typing) return;
      event.preventDefault();
      box.current?.focus();
    };
    document.addEventListener('keydown', focus);
    return () => document.removeEventListener('keydown', focus);
  }, []);
  const filtered = text !== '' || category !== null;
  return (
    <div className={css.page}>
      <h1 className="for-ears">Ward</h1>
      <div className={css.tools} role="search">
        <TextInput
          ref={box}
          className={css.search}
          aria-label="Find a bed, name or diagnosis"
          placeholder="Find bed, name, diagnosis  ( / )"
          value={text}
          onChange={(event) => set({ q: event.currentTarget.value })}
        />
        <SegmentedControl
          aria-label="Order"
          value={sortBy}
          onChange={(value) => set({ sort: value === 'bed' ? 'bed' : null })}
          data={[
            { value: 'severity', label: 'By severity' },
            { value: 'bed', label: 'By bed' },
          ]}
        />
        {filtered && (
          <p className={css.hidden} role="status">
            {category && <>Only “{CATEGORY_WORDS[category]}”. </>}
            {shown.length} of {watched.length} beds shown.{' '}
            <button type="button" className={css.all} onClick={() => set({ q: null, show: null })}>
              Show all
            </button>
          </p>
        )}
      </div>
      {shown.length === 0 ? (
        <Nothing total={watched.length} filtered={filtered} />
      ) : (
        <div onPointerMove={hold} onPointerDown={hold}>
          <WardGrid patients={shown} total={watched.length} />
        </div>
      )}
    </div>
  );
}
