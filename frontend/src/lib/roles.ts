/* roles.ts - what the dashboard offers to whom.  The server decides (backend/net/access.c); this
 * only keeps buttons away from people for whom they would fail. */
import type { Role } from '@/lib/api/client';

export type Right = 'respond' | 'summary' | 'limits';

const TABLE: Record<Right, readonly Role[]> = {
  respond: ['admin', 'doctor', 'nurse'],
  summary: ['admin', 'doctor', 'nurse'],
  limits: ['admin', 'doctor'],
};

export const allowed = (role: Role | undefined, right: Right): boolean =>
  role !== undefined && TABLE[right].includes(role);
