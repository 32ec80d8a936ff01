import { z } from 'zod';
import type { EndReason } from '#src/claims/claim.ts';
import { claimKeys } from '#src/claims/keys.ts';
import { claimNotFound, getClaim } from '#src/claims/store.ts';
import { type HookTargets, isHookTarget } from '#src/engine/hook-target.ts';
import { getGolden } from '#src/goldens/store.ts';
import type { Instance, InstancePort } from '#src/instances/instance.ts';
import { getInstance } from '#src/instances/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import { ClaimId } from '#src/platform/ids.ts';
import { type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { getTemplate } from '#src/templates/store.ts';

/** Where a live claim's instance is. */
export interface Target {
  readonly claim: ClaimId;
  readonly tenant: string;
  readonly instance: string;
  readonly address: string;
  readonly ports: readonly InstancePort[];
  readonly hooks: HookTargets;
  /** What is left of the lease, in ms, when this was read. */
  readonly leaseLeftMs: number;
}

/** Throws claim_not_found, claim_gone with the reason, or claim_not_ready. */
export async function readTarget(redis: Redis, hooks: HookReader, id: string): Promise<Target> {
  if (!ClaimId.safeParse(id).success) throw claimNotFound(JSON.stringify(id.slice(0, 64)));
  const [claim, nowMs] = await Promise.all([getClaim(redis, id), redisTimeMs(redis)]);
  if (claim === undefined) throw claimNotFound(id);
  if (claim.state === 'waiting' || claim.state === 'reserved') throw notReady(id);
  const leaseLeftMs = claim.expiresAt - nowMs;
  if (!isLiveState(claim.state) || leaseLeftMs <= 0) throw claimGone(id, claim.endReason ?? 'expired');
  const instance = claim.instance === undefined ? undefined : await getInstance(redis, claim.instance);
  if (instance?.address === undefined || instance.claim !== id) throw claimGone(id, claim.endReason);
  const { address, ports } = instance;
  return {
    ...{ claim: claim.id, tenant: claim.tenant, instance: instance.id, address, ports, leaseLeftMs },
    hooks: await hooks(instance),
  };
}

/** What is left of the leases (ms) of those of the claims that are live, in one round trip. */
export async function readLeases(redis: Redis, ids: readonly string[]): Promise<Map<string, number>> {
  const pipeline = redis.pipeline().time();
  for (const id of ids) pipeline.hmget(claimKeys.claim(id), 'state', 'expiresAt');
  const [time, ...claims] = ((await pipeline.exec()) ?? []).map(([error, reply]) => {
    if (error) throw error;
    return z.array(z.union([z.string(), z.number(), z.null()])).parse(reply);
  });
  const nowMs = Number(time?.[0]) * 1000 + Math.floor(Number(time?.[1]) / 1000);
  return new Map(
    ids.flatMap((id, index): [string, number][] => {
      const [state, expiresAt] = claims[index] ?? [];
      const leftMs = Number(expiresAt) - nowMs;
      return isLiveState(state) && leftMs > 0 ? [[id, leftMs]] : [];
    }),
  );
}

function isLiveState(state: unknown): boolean {
  return state === 'active' || state === 'bound';
}

/** The port of an instance that a name or number means. Throws port_not_found: what the template does not list is not reached. */
export function findPort({ claim, ports }: Target, written: string): InstancePort {
  const found = ports.find((port) => String(port.port) === written) ?? ports.find((port) => port.name === written);
  if (found?.protocol === 'http') return found;
  throw new ThawError('port_not_found', `claim ${claim} has no http port ${JSON.stringify(written.slice(0, 64))}`, {
    fix: 'Use the name or the number of a port that the template lists with the protocol http.',
  });
}

/** Throws hook_unreachable. `target`: path and query as they came. */
export function refuseHooks({ hooks }: Target, { port }: InstancePort, target: string): void {
  if (!isHookTarget(hooks, port, target)) return;
  throw new ThawError('hook_unreachable', 'this path is a hook of the template: only Thaw itself calls it', {
    fix: 'Let the app answer its users at another path.',
  });
}

export type HookReader = (instance: Instance) => Promise<HookTargets>;

const mostKnown = 1000;

/**
 * What tenants may not call, by the golden that the instance was restored from: goldens never change, so each is read once. Where its record
 * is gone by now, and for an instance that was started cold, what the template says today has to do.
 */
export function createHookReader(redis: Redis): HookReader {
  const known = new Map<string, HookTargets>();
  return async ({ golden, template }) => {
    const before = golden === undefined ? undefined : known.get(golden);
    if (before !== undefined) return before;
    const spec = golden === undefined ? undefined : (await getGolden(redis, golden))?.spec;
    const { hooks, unique } = spec ?? (await getTemplate(redis, template))?.spec ?? {};
    if (known.size >= mostKnown) known.clear();
    if (golden !== undefined && spec !== undefined) known.set(golden, { hooks, unique });
    return { hooks, unique };
  };
}

const endings: Readonly<Record<EndReason, string>> = {
  released: 'it was given back',
  expired: 'its lease is over',
  exited: 'its app has ended',
  oom: 'its app ran out of memory',
  node_lost: 'its machine was lost',
  admin: 'an administrator ended it',
  failed: 'its instance could not be made ready',
};

/** Without the reason where that is not known yet: in the moment in which its connections are cut. */
export function claimGone(id: string, endReason?: EndReason): ThawError {
  return new ThawError('claim_gone', `claim ${id} has ended${endReason === undefined ? '' : `: ${endings[endReason]}`}`, {
    fix: 'Claim another instance; this one was destroyed.',
    details: { claim: id, ...(endReason === undefined ? {} : { endReason }) },
  });
}

function notReady(id: string): ThawError {
  return new ThawError('claim_not_ready', `claim ${id} has no instance yet`, { fix: 'Try again in a moment.', retryAfterMs: 1000 });
}
