/* SummaryPanel.tsx - what was written about a patient; a click on a sentence shows what proves it. */
import { Button, NativeSelect } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { ErrorNote } from '@/components/ErrorNote';
import { api, type Summary, take } from '@/lib/api/client';
import { useNow, useRight } from '@/lib/hooks';
import { formatAge, formatClock, formatMoment, parseTime } from '@/lib/time';
import { Feedback } from './Feedback';
import { evidenceRange, evidenceTime, type TimeRange } from './evidence';
import css from './SummaryPanel.module.css';

const REFRESH_MS = 30_000;
const COUNT = 10;

interface Props {
  patientId: string;
  onEvidence: (range: TimeRange | null) => void;
}

function Removed({ removed }: Pick<Summary, 'removed'>) {
  if (removed.length === 0) return null;
  return (
    <details className={css.removed}>
      <summary>
        {removed.length} {removed.length === 1 ? 'sentence' : 'sentences'} cut because the data did not prove{' '}
        {removed.length === 1 ? 'it' : 'them'}
      </summary>
      <ul>
        {removed.map(({ text, reason }, i) => (
          <li key={i}>
            <del>{text}</del> – {reason}
          </li>
        ))}
      </ul>
    </details>
  );
}

function EvidenceList({ evidence }: { evidence: readonly string[] }) {
  if (evidence.length === 0) return <p className={css.evidence}>No reading or alarm is attached to this sentence.</p>;
  return (
    <ul className={css.evidence} aria-label="Evidence">
      {evidence.map((id) => {
        const time = evidenceTime(id);
        return (
          <li key={id}>
            {time !== null && <strong>{formatClock(time)}</strong>} <code>{id}</code>
          </li>
        );
      })}
    </ul>
  );
}

function Text({ summary, onEvidence }: { summary: Summary; onEvidence: Props['onEvidence'] }) {
  const [chosen, setChosen] = useState<number | null>(null);
  if (summary.sentences.length === 0) return <p className={css.text}>{summary.text.replaceAll('**', '')}</p>;
  const choose = (i: number) => {
    const next = chosen === i ? null : i;
    setChosen(next);
    onEvidence(next === null ? null : evidenceRange(summary.sentences[next]!.evidence, summary));
  };
  return (
    <>
      <ul className={css.sentences}>
        {summary.sentences.map((sentence, i) => (
          <li key={i}>
            <button type="button" className={css.sentence} aria-pressed={chosen === i} onClick={() => choose(i)}>
              {sentence.text}
            </button>
            {chosen === i && <EvidenceList evidence={sentence.evidence} />}
          </li>
        ))}
      </ul>
      <p className={css.hint}>Press a sentence to see the readings and alarms that prove it.</p>
    </>
  );
}

function Origin({ summary, now }: { summary: Summary; now: number }) {
  const written = parseTime(summary.timestamp);
  const from = parseTime(summary.window_start);
  const to = parseTime(summary.window_end);
  const why = summary.writer === 'deterministic' ? (summary.fallback_reason ?? null) : null;
  const writer =
    summary.writer === 't5'
      ? `${summary.model_name ?? 'model'} ${summary.model_version ?? ''}`
      : 'fixed templates, no model';
  return (
    <p className={css.origin}>
      {written !== null && `Written ${formatAge(now - written)} ago by ${writer.trim()}`}
      {from !== null && to !== null && `, from ${formatMoment(from, now)} to ${formatMoment(to, now)}`}:{' '}
      {summary.vitals_count} readings, {summary.alerts_count} {summary.alerts_count === 1 ? 'alarm' : 'alarms'}.
      {why !== null && ` No model wrote it: ${why}.`}
    </p>
  );
}

export function SummaryPanel({ patientId, onEvidence }: Props) {
  const now = useNow(10_000);
  const may = useRight('summary');
  const queries = useQueryClient();
  const [chosenId, setChosenId] = useState('');
  const key = ['summaries', patientId];
  const list = useQuery({
    queryKey: key,
    queryFn: () =>
      take(
        api.GET('/api/summaries/{patient_id}', {
          params: { path: { patient_id: patientId }, query: { limit: COUNT } },
        }),
      ),
    refetchInterval: REFRESH_MS,
  });
  const generate = useMutation({
    mutationFn: () => take(api.POST('/api/model/trigger-summary', { body: { patientId } })),
    onSuccess: ({ summary }) => {
      setChosenId(summary.id);
      onEvidence(null);
      return queries.invalidateQueries({ queryKey: key });
    },
  });
  const summaries = list.data ?? [];
  const shown = summaries.find((summary) => summary.id === chosenId) ?? summaries[0];
  return (
    <section aria-labelledby="summary" className={css.panel}>
      <div className={css.head}>
        <h2 id="summary">Summary</h2>
        {summaries.length > 1 && (
          <NativeSelect
            aria-label="Which summary"
            value={shown?.id}
            onChange={(event) => (setChosenId(event.currentTarget.value), onEvidence(null))}
            data={summaries.map((summary) => ({
              value: summary.id,
              label: formatMoment(parseTime(summary.timestamp) ?? 0, now),
            }))}
          />
        )}
        {may && (
          <Button variant="default" loading={generate.isPending} onClick={() => generate.mutate()}>
            Write a summary now
          </Button>
        )}
      </div>
      <ErrorNote error={generate.error} what="No summary was written" />
      <ErrorNote error={list.error} what="Summaries" />
      {list.data && !shown && <p className={css.origin}>No summary has been written yet.</p>}
      {shown && (
        <>
          <Text key={shown.id} summary={shown} onEvidence={onEvidence} />
          <Removed removed={shown.removed} />
          <Origin summary={shown} now={now} />
          {may && <Feedback key={`feedback ${shown.id}`} summary={shown} />}
        </>
      )}
    </section>
  );
}
