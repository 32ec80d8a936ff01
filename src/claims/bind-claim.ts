import type { Binding } from '#src/engine/engine.ts';
import type { AgentDirectory } from '#src/nodes/agent-directory.ts';
import { type Clock, elapsedMs } from '#src/platform/clock.ts';
import { isThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { Claim, ClaimRequest, Endpoint, Receipt } from './claim.ts';
import type { Reservation } from './reserve-instance.ts';
import { activateClaim, getClaim } from './store.ts';

export interface BindClaimDeps {
  readonly redis: Redis;
  readonly agents: Pick<AgentDirectory, 'ask'>;
  readonly clock: Clock;
}

export type ClaimBody = Pick<ClaimRequest, 'tenant' | 'env' | 'secrets' | 'labels'>;

/** Of one attempt; a node agent that is being restarted answers again within it. */
const bindTimeoutMs = 3000;
const unreachablePauseMs = 100;

/**
 * Tells the instance whose it is, then records that; can be repeated for the same claim. `startedAt` (of performance.now())
 * is when the request came. Throws what the bind throws; undefined when the claim was ended meanwhile.
 */
export async function bindClaim(
  deps: BindClaimDeps,
  reserved: Reservation,
  pool: string,
  body: ClaimBody,
  startedAt: number,
): Promise<Claim | undefined> {
  const waitMs = elapsedMs(startedAt);
  const bindStartedAt = performance.now();
  await bindOnNode(deps, reserved, {
    claim: reserved.id,
    tenant: body.tenant,
    expiresAt: new Date(reserved.expiresAt).toISOString(),
    env: body.env,
    secrets: body.secrets,
    labels: body.labels,
  });
  const { golden } = reserved;
  const receipt: Receipt = {
    path: 'hot',
    ...(golden === undefined ? {} : { golden }),
    timingsMs: { wait: waitMs, restore: 0, bind: elapsedMs(bindStartedAt), hook: 0, total: elapsedMs(startedAt) },
  };
  const endpoints = endpointsOf(reserved);
  const before = await activateClaim(deps.redis, reserved.id, { receipt, endpoints });
  if (before !== 'reserved') return before === 'active' ? getClaim(deps.redis, reserved.id) : undefined;
  const { id, instance, node, createdAt, expiresAt } = reserved;
  const { tenant, labels } = body;
  return {
    ...{ id, state: 'active', pool, tenant, labels, instance, node, endpoints, receipt, createdAt, expiresAt },
    ...(golden === undefined ? {} : { golden }),
  };
}

/** A node that is not reached is asked again until the time is over: nothing is known against its instance. */
async function bindOnNode({ agents, clock }: BindClaimDeps, { node, instance }: Reservation, binding: Binding): Promise<void> {
  const deadline = clock.nowMs() + bindTimeoutMs;
  for (;;) {
    try {
      return await agents.ask(node, (agent) => agent.bind(instance, binding, Math.max(1, deadline - clock.nowMs())));
    } catch (error) {
      if (!isThawError(error, 'node_unreachable') || clock.nowMs() + unreachablePauseMs >= deadline) throw error;
      await clock.sleep(unreachablePauseMs);
    }
  }
}

function endpointsOf({ address: host, ports }: Reservation): Endpoint[] {
  return ports.map(({ name, addressPort: port, protocol }) => ({ name, url: `${protocol}://${host}:${port}`, host, port }));
}
