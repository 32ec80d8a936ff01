import type { Context, MiddlewareHandler } from 'hono';
import type { AppEnv } from '#src/platform/http/access.ts';
import { shorten } from '#src/platform/http/validation-failed.ts';
import type { AuditLog } from './audit-log.ts';
import { createRateLimiter } from './rate-limit.ts';
import type { FindRoute } from './route-table.ts';
import { isSafeMethod } from './safe-method.ts';

/** Who is turned away at the door (no valid key, over the key's rate limit) can not fill the log: beyond this such requests are only counted. */
const turnedAwayLimit = { perSecond: 10, burst: 100 };
const longestTarget = 300;

/** Records every request that would change something, once it is answered; refused ones too. Stands before authentication, for that reason. */
export function auditRequests(auditLog: AuditLog, findRoute: FindRoute): MiddlewareHandler<AppEnv> {
  const takeTurnedAway = createRateLimiter(() => performance.now());
  return async (c, next) => {
    await next();
    if (isSafeMethod(c.req.method)) return;
    const isTurnedAway = c.var.actor === undefined || c.var.problem === 'rate_limited';
    if (isTurnedAway && !takeTurnedAway(c.var.actor?.keyId ?? '', turnedAwayLimit).allowed) return auditLog.leaveOut(1);
    auditLog.append(entryOf(c, findRoute(c)?.operationId ?? 'none'));
  };
}

function entryOf(c: Context<AppEnv>, action: string) {
  const actor = c.get('actor');
  return {
    at: new Date().toISOString(),
    requestId: c.get('requestId'),
    trace: c.get('trace')?.traceId,
    key: actor?.keyId,
    name: actor?.name,
    role: actor?.role,
    action,
    target: shorten(`${c.req.method} ${c.req.path}`, longestTarget),
    status: c.res.status,
    code: c.get('problem'),
    address: c.get('address'),
  };
}
