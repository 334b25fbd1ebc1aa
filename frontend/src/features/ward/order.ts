/* order.ts - which beds are shown, and in which order. */
import { bedKey, categoryOf, CATEGORIES, type Category } from '@/lib/alarms';
import type { Patient } from '@/lib/api/client';

export type SortBy = 'severity' | 'bed';

const RANK = Object.fromEntries(CATEGORIES.map((category, rank) => [category, rank])) as Record<Category, number>;

/* Severity, then bed, then id: total, so that equal beds never swap places. */
export function sortWard(patients: readonly Patient[], by: SortBy): Patient[] {
  const keyed = patients.map((patient) => ({
    patient,
    rank: by === 'severity' ? RANK[categoryOf(patient)] : 0,
    key: bedKey(patient.bedNumber, patient.id),
  }));
  keyed.sort((a, b) => a.rank - b.rank || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ patient }) => patient);
}

export interface WardFilter {
  text: string;
  category: Category | null;
}

/* Every word must occur in bed, name, id, diagnosis or physician. */
export function filterWard(patients: readonly Patient[], { text, category }: WardFilter): Patient[] {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  return patients.filter((patient) => {
    if (category && categoryOf(patient) !== category) return false;
    if (words.length === 0) return true;
    const hay = [patient.bedNumber, patient.name, patient.id, patient.diagnosis, patient.attendingPhysician]
      .join(' ')
      .toLowerCase();
    return words.every((word) => hay.includes(word));
  });
}

/* Keeps the places of `held` (ids): who is new comes behind, who is gone leaves no hole.  Used while
 * a pointer is on the grid, so that a card does not jump away under the finger. */
export function holdOrder(patients: readonly Patient[], held: readonly string[] | null): readonly Patient[] {
  if (!held) return patients;
  const byId = new Map(patients.map((patient) => [patient.id, patient]));
  const kept = held.flatMap((id) => byId.get(id) ?? []);
  const known = new Set(held);
  return [...kept, ...patients.filter((patient) => !known.has(patient.id))];
}

