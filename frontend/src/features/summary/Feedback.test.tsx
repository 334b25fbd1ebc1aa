// @vitest-environment jsdom
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/react';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Summary } from '@/lib/api/client';
import { Feedback } from './Feedback';

const WRITTEN = 'Heart rate rose from 88 to 120 bpm.';
const summary = {
  id: 'P001.summary.1',
  patient_id: 'P001',
  ml_summary: WRITTEN,
  text: WRITTEN,
  sentences: [],
} as unknown as Summary;

interface Sent {
  path: string;
  body: { rating: number | null; edited_text: string | null; reason: string | null; confirm: boolean };
}
let sent: Sent[];
let answers: { status: number; body: object }[];

/* The server, as far as this form sees it: what it was sent, and the answers in turn. */
async function serve(request: Request): Promise<Response> {
  sent.push({ path: new URL(request.url).pathname, body: (await request.json()) as Sent['body'] });
  const { status, body } = answers.shift()!;
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
}

const kept = (learnable: boolean) => ({
  status: 200,
  body: { id: 'P001.summary.1.feedback.1', learnable, unproven: [], omitted: [] },
});
const unproven = {
  status: 409,
  body: {
    detail: 'The edit is not proven',
    unproven: [{ text: 'The patient received metoprolol', reason: 'not a statement about the readings' }],
    omitted: ['Critical tachycardia alarm since 13:22'],
  },
};

const show = () =>
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient({ defaultOptions: { mutations: { retry: false } } })}>
        <Feedback summary={summary} />
      </QueryClientProvider>
    </MantineProvider>,
  );
const button = (name: string) => screen.getByRole('button', { name });
/* The key that chooses a star which has the focus. */
const rate = (value: number) => fireEvent.keyDown(screen.getByRole('radio', { name: `${value} of 5` }), { key: ' ' });
const write = (text: string) =>
  fireEvent.change(screen.getByLabelText('What it should have said'), { target: { value: text } });

/* What Mantine asks for and jsdom does not have. */
beforeAll(() => {
  window.matchMedia = (media) =>
    ({ media, matches: false, addEventListener() {}, removeEventListener() {} }) as unknown as MediaQueryList;
  window.ResizeObserver = class {
    observe() {}
    unobserve() {}
    disconnect() {}
  };
  Object.defineProperty(document, 'fonts', { value: new EventTarget() });
});
beforeEach(() => {
  sent = [];
  answers = [];
  vi.stubGlobal('fetch', serve);
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

describe('feedback on a summary', () => {
  it('has nothing to send before something was said', () => {
    show();
    expect(screen.queryByRole('button', { name: 'Send' })).toBeNull();
    fireEvent.click(button('Write it better'));
    expect(screen.getByLabelText<HTMLTextAreaElement>('What it should have said').value).toBe(WRITTEN);
    expect(screen.queryByRole('button', { name: 'Send' })).toBeNull(); /* the text as it is: no edit */
  });

  it('sends a rating with its reason, and thanks', async () => {
    answers = [kept(true)];
    show();
    rate(4);
    fireEvent.change(screen.getByLabelText('Why (optional)'), { target: { value: 'clear' } });
    fireEvent.click(button('Send'));
    await waitFor(() => expect(screen.getByText('Thank you.')).toBeTruthy());
    expect(sent).toEqual([
      {
        path: '/api/summaries/P001.summary.1/feedback',
        body: { rating: 4, edited_text: null, reason: 'clear', confirm: false },
      },
    ]);
    expect(screen.queryByRole('button', { name: 'Send' })).toBeNull();
  });

  it('asks back what the data do not show; a changed text is asked about anew', async () => {
    answers = [unproven, kept(true)];
    show();
    fireEvent.click(button('Write it better'));
    write('The patient received metoprolol.');
    fireEvent.click(button('Send'));
    const list = await screen.findByRole('alert');
    expect(list.textContent).toContain('The patient received metoprolol');
    expect(list.textContent).toContain('not a statement about the readings');
    expect(list.textContent).toContain('Left out: Critical tachycardia alarm since 13:22');
    write('Trend: heart rate rising from 88 to 120 bpm.');
    fireEvent.click(button('Send'));
    await waitFor(() => expect(screen.getByText('Thank you.')).toBeTruthy());
    expect(sent.map(({ body }) => [body.edited_text, body.confirm])).toEqual([
      ['The patient received metoprolol.', false],
      ['Trend: heart rate rising from 88 to 120 bpm.', false],
    ]);
  });

  it('is kept for the record when the writer insists, and says that it is not learned from', async () => {
    answers = [unproven, kept(false)];
    show();
    fireEvent.click(button('Write it better'));
    write('The patient received metoprolol.');
    fireEvent.click(button('Send'));
    fireEvent.click(await screen.findByRole('button', { name: 'Keep for the record' }));
    await waitFor(() => expect(screen.getByText(/not learned from/)).toBeTruthy());
    expect(sent[1]!.body).toEqual({
      rating: null,
      edited_text: 'The patient received metoprolol.',
      reason: null,
      confirm: true,
    });
  });

  it('leaves an edit that was taken back out', async () => {
    answers = [kept(true)];
    show();
    fireEvent.click(button('Write it better'));
    write('Nonsense.');
    fireEvent.click(button('Leave the text as it is'));
    rate(2);
    fireEvent.click(button('Send'));
    await waitFor(() => expect(sent).toHaveLength(1));
    expect(sent[0]!.body).toMatchObject({ rating: 2, edited_text: null });
  });

  it('says what went wrong and keeps what was written', async () => {
    answers = [{ status: 503, body: { detail: 'The server is stopping' } }, kept(true)];
    show();
    fireEvent.click(button('Write it better'));
    write('Heart rate rose to 120 bpm.');
    fireEvent.click(button('Send'));
    await waitFor(() => expect(screen.getByText(/The server is stopping/)).toBeTruthy());
    expect(screen.getByLabelText<HTMLTextAreaElement>('What it should have said').value).toBe(
      'Heart rate rose to 120 bpm.',
    );
    expect(screen.queryByRole('button', { name: 'Keep for the record' })).toBeNull();
    fireEvent.click(button('Send'));
    await waitFor(() => expect(screen.getByText('Thank you.')).toBeTruthy());
  });
});
