/* Feedback.tsx - rate a summary, or write it better; what the data do not show is asked back. */
import { Button, Rating, Textarea } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { ErrorNote } from '@/components/ErrorNote';
import { api, ApiError, type Summary, take } from '@/lib/api/client';
import css from './SummaryPanel.module.css';

interface Unproven {
  unproven: readonly { text: string; reason: string }[];
  omitted: readonly string[];
}

class UnprovenError extends ApiError {
  readonly list: Unproven;
  constructor(detail: string, list: Unproven) {
    super(409, detail);
    this.list = list;
  }
}

interface Body {
  rating: number | null;
  edited_text: string | null;
  reason: string | null;
  confirm: boolean;
}

async function send(id: string, body: Body) {
  const call = await api.POST('/api/summaries/{id}/feedback', { params: { path: { id } }, body });
  const problem = call.error as Partial<Unproven & { detail: string }> | undefined;
  if (call.response.status === 409 && problem?.unproven)
    throw new UnprovenError(problem.detail ?? 'Not proven', {
      unproven: problem.unproven,
      omitted: problem.omitted ?? [],
    });
  return take(Promise.resolve(call));
}

function UnprovenList({ list }: { list: Unproven }) {
  return (
    <div role="alert" className={css.removed}>
      <p>The data do not show this. Change it, or keep it for the record only:</p>
      <ul>
        {list.unproven.map(({ text, reason }, i) => (
          <li key={i}>
            <q>{text}</q> – {reason}
          </li>
        ))}
        {list.omitted.map((text, i) => (
          <li key={`omitted${i}`}>Left out: {text}</li>
        ))}
      </ul>
    </div>
  );
}

export function Feedback({ summary }: { summary: Summary }) {
  const [rating, setRating] = useState(0);
  const [text, setText] = useState<string | null>(null);
  const [reason, setReason] = useState('');
  const edited = text !== null && text.trim() !== '' && text !== summary.ml_summary;
  const post = useMutation({
    mutationFn: (confirm: boolean) =>
      send(summary.id, { rating: rating || null, edited_text: edited ? text : null, reason: reason || null, confirm }),
  });
  if (post.isSuccess)
    return (
      <p className={css.hint}>
        Thank you. {post.data.learnable ? '' : 'It is kept for the record, and not learned from.'}
      </p>
    );
  const unproven = post.error instanceof UnprovenError ? post.error.list : null;
  return (
    <form
      className={css.feedback}
      onSubmit={(event) => {
        event.preventDefault();
        post.mutate(false);
      }}
    >
      <div className={css.head}>
        <span id="rate">Was this summary good?</span>
        <Rating
          value={rating}
          onChange={setRating}
          aria-labelledby="rate"
          getSymbolLabel={(value) => `${value} of 5`}
        />
        <Button
          variant="subtle"
          type="button"
          onClick={() => setText(text === null ? (summary.ml_summary ?? '') : null)}
        >
          {text === null ? 'Write it better' : 'Leave the text as it is'}
        </Button>
      </div>
      {text !== null && (
        <Textarea
          label="What it should have said"
          autosize
          minRows={3}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
        />
      )}
      {(rating > 0 || edited) && (
        <Textarea
          label="Why (optional)"
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          maxLength={500}
        />
      )}
      {unproven ? <UnprovenList list={unproven} /> : <ErrorNote error={post.error} what="Not kept" />}
      {(rating > 0 || edited) && (
        <div className={css.head}>
          <Button type="submit" loading={post.isPending}>
            Send
          </Button>
          {unproven && (
            <Button variant="default" type="button" loading={post.isPending} onClick={() => post.mutate(true)}>
              Keep for the record
            </Button>
          )}
        </div>
      )}
    </form>
  );
}
