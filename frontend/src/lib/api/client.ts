/* client.ts - REST calls, typed by ../../../../backend/api/openapi.yaml.
 *
 * Owner:  nobody; stateless besides the session's token, which it reads at each call.
 * Errors: what the server says in `detail` is what people read; a 401 ends the session. */
import createClient from 'openapi-fetch';
import { session } from '@/lib/session';
import type { components, paths } from './schema';

type Schemas = components['schemas'];
export type Patient = Schemas['Patient'];
export type Alert = Schemas['Alert'];
export type Limits = Schemas['Limits'];
export type LimitsChange = Schemas['LimitsChange'];
export type VitalLimits = Schemas['VitalLimits'];
export type VitalsHistory = Schemas['VitalsHistory'];
export type HistoryPoint = Schemas['HistoryPoint'];
export type Summary = Schemas['Summary'];
export type News2 = Schemas['News2'];
export type User = Schemas['User'];
export type Role = Schemas['Role'];
export type WardServerMessage = Schemas['WardServerMessage'];

export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

/* A call that hangs must not leave a nurse with a spinning button. */
const TIMEOUT_MS = 15_000;

async function send(request: Request): Promise<Response> {
  try {
    return await fetch(request, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'TimeoutError')
      throw new ApiError(0, `No answer within ${TIMEOUT_MS / 1000} seconds`);
    throw new ApiError(0, 'The server cannot be reached');
  }
}

/* openapi-fetch makes a Request, which outside of a page (tests) needs an absolute address. */
export const api = createClient<paths>({ baseUrl: globalThis.location?.origin ?? '', fetch: send });

api.use({
  onRequest({ request }) {
    const current = session.get();
    if (current) request.headers.set('Authorization', `Bearer ${current.token}`);
    return request;
  },
  onResponse({ request, response }) {
    if (response.status === 401 && !request.url.endsWith('/api/auth/login')) session.end('refused');
    return response;
  },
});

interface Result<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

function detailOf(error: unknown, status: number): string {
  if (typeof error === 'object' && error !== null && 'detail' in error && typeof error.detail === 'string')
    return error.detail;
  return `The server answered ${status}`;
}

/* The data of a call, or an ApiError. */
export async function take<T>(call: Promise<Result<T>>): Promise<T> {
  const { data, error, response } = await call;
  if (!response.ok || data === undefined) throw new ApiError(response.status, detailOf(error, response.status));
  return data;
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
