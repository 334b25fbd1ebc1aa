import { useMemo } from 'react';
import { Link } from 'react-router';
import { CATEGORY_WORDS, SeverityMark } from '@/components/SeverityMark';
import { type Category, categoryOf, countCategories, hasUnanswered } from '@/lib/alarms';
import { usePatients } from '@/lib/hooks';
import css from './Layout.module.css';

const SHOWN: readonly Category[] = ['critical', 'warning', 'technical', 'silent'];

export function useCounts() {
  const all = usePatients();
  return useMemo(() => {
    const patients = all.filter((patient) => patient.status !== 'discharged');
    const unanswered = new Set(patients.filter(hasUnanswered).map(categoryOf));
    return { counts: countCategories(patients), unanswered, total: patients.length };
  }, [all]);
}

export function Counts() {
  const { counts, unanswered, total } = useCounts();
  return (
    <ul className={css.counts} aria-label={`${total} beds`}>
      {SHOWN.map((category) => (
        <li key={category}>
          <Link
            to={`/?show=${category}`}
            className={css.count}
            data-severity={counts[category] > 0 ? category : undefined}
            data-unanswered={(counts[category] > 0 && unanswered.has(category)) || undefined}
          >
            <SeverityMark category={category} /> <strong>{counts[category]}</strong>{' '}
            <span>{CATEGORY_WORDS[category]}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
