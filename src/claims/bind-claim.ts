import type { Binding, BoundInstance } from '#src/engine/engine.ts';
import { bindHookMaxMs } from '#src/engine/hooks.ts';
import type { InstancePort } from '#src/instances/instance.ts';
import type { AgentDirectory } from '#src/nodes/agent-directory.ts';
import { type Clock, elapsedMs } from '#src/platform/clock.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import type { ClaimId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { Claim, ClaimRequest, Endpoint, Receipt } from './claim.ts';
import type { Reservation } from './reserve-instance.ts';
import { activateClaim, getClaim } from './store.ts';

/** Where a port of a claim's instance is reached: through the gateway, or at the instance's own address. */
export type EndpointUrl = (claim: ClaimId, port: InstancePort, address: string) => string;

export interface BindClaimDeps {
  readonly redis: Redis;
  readonly agents: Pick<AgentDirectory, 'ask'>;
  readonly clock: Clock;
  readonly endpointUrl: EndpointUrl;
}

export type ClaimBody = Pick<ClaimRequest, 'tenant' | 'env' | 'secrets' | 'labels' | 'ack'>;

type BindTimings = BoundInstance['timingsMs'];

/** Of one attempt: a bind hook may take its time. */
const bindTimeoutMs = bindHookMaxMs + 3000;
/** A node agent that is being restarted answers again within it. */
export const unreachablePatienceMs = 3000;
export const unreachablePauseMs = 100;

/**
 * Tells the instance whose it is, then records that; can be repeated for the same claim. `startedAt` (of performance.now())
 * is when the request came. Throws what the bind throws, and instance_lost when the instance ended meanwhile; undefined when the claim did.
 */
export async function bindClaim(
  deps: BindClaimDeps,
  reserved: Reservation,
  body: ClaimBody,
  startedAt: number,
): Promise<Claim | undefined> {
  const waitMs = elapsedMs(startedAt);
  const bound = await bindOnNode(deps, reserved, {
    claim: reserved.id,
    tenant: body.tenant,
    expiresAt: new Date(reserved.expiresAt).toISOString(),
    env: body.env,
    secrets: body.secrets,
    labels: body.labels,
  });
  const receipt = receiptOf(reserved, waitMs, bound, startedAt);
  const endpoints = endpointsOf(deps.endpointUrl, reserved);
  const { before, state, ackBy } = await activateClaim(deps.redis, reserved.id, { receipt, endpoints, ack: body.ack });
  if (before === 'gone') throw instanceLost(reserved);
  if (before !== 'reserved') return before === 'active' || before === 'bound' ? getClaim(deps.redis, reserved.id) : undefined;
  const { id, pool, instance, node, golden, createdAt, expiresAt } = reserved;
  const { tenant, labels } = body;
  return {
    ...{ id, state, pool, tenant, labels, instance, node, endpoints, receipt, createdAt, expiresAt },
    ...(golden === undefined ? {} : { golden }),
    ...(ackBy === undefined ? {} : { ackBy }),
  };
}

function instanceLost({ instance, node }: Reservation): ThawError {
  return new ThawError('instance_lost', `instance ${instance} on node ${node} ended while it was bound`, {
    fix: 'Nothing: another one is taken. Its log tells why it ended, where that happens often.',
  });
}

/** An instance that was made while the claim waited was not hot. */
function receiptOf({ golden, role, madeInMs }: Reservation, waitMs: number, bound: BindTimings, startedAt: number): Receipt {
  const path = madeInMs === undefined ? 'hot' : role === 'cold' ? 'cold' : 'restored';
  const why = {
    hot: undefined,
    restored: 'nothing was warm: a clone was restored while the claim waited',
    cold: 'no golden could be restored',
  }[path];
  return {
    path,
    ...(golden === undefined ? {} : { golden }),
    timingsMs: { wait: waitMs, restore: madeInMs ?? 0, ...bound, total: elapsedMs(startedAt) },
    ...(why === undefined ? {} : { reason: why }),
  };
}

/** A node that is not reached is asked again until the time is over: nothing is known against its instance. */
async function bindOnNode({ agents, clock }: BindClaimDeps, { node, instance }: Reservation, binding: Binding): Promise<BindTimings> {
  const startedAt = performance.now();
  const deadline = clock.nowMs() + bindTimeoutMs;
  const unreachableUntil = clock.nowMs() + unreachablePatienceMs;
  for (;;) {
    try {
      const { timingsMs } = await agents.ask(node, (agent) => agent.bind(instance, binding, Math.max(1, deadline - clock.nowMs())));
      return { bind: elapsedMs(startedAt) - timingsMs.hook, hook: timingsMs.hook };
    } catch (error) {
      if (!isThawError(error, 'node_unreachable') || clock.nowMs() >= unreachableUntil) throw error;
      await clock.sleep(unreachablePauseMs);
    }
  }
}

function endpointsOf(endpointUrl: EndpointUrl, { id, address, ports }: Reservation): Endpoint[] {
  return ports.map((port) => ({ name: port.name, url: endpointUrl(id, port, address), host: address, port: port.addressPort }));
}
