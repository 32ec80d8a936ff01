import { hashFields } from '#src/platform/hash-field.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';
import type { Pool } from '#src/pools/pool.ts';
import { poolKeys } from '#src/pools/store.ts';
import { Rollout, type RolloutStep } from './rollout.ts';

const writeScript = loadLuaScript(import.meta.url, './lua/write-rollout.lua');

export async function readRollout(redis: Redis, pool: string): Promise<Rollout | undefined> {
  const hash = await redis.hgetall(poolKeys.rollout(pool));
  return 'to' in hash ? Rollout.parse(hash) : undefined;
}

/**
 * Atomic, with its events (`why` is the code of a problem, where there is one); answers the rollout afterwards. Of two planners that found
 * the same step due one writes it.
 */
export async function writeRolloutStep(
  redis: Redis,
  { name, spec }: Pick<Pool, 'name' | 'spec'>,
  before: Rollout | undefined,
  step: RolloutStep,
  { now, why = '' }: { readonly now: number; readonly why?: string },
): Promise<Rollout | undefined> {
  const fields = fieldsOf(step, now, spec.rollout.deadlineMs);
  const wasRead = [before?.to ?? '', before?.state ?? ''];
  const events = eventsOf(step).map((type) => `${type},`);
  const args = [name, ...wasRead, step.kind === 'begin' ? 1 : 0, spec.template, why, events.join(''), keyPrefix, ...hashFields(fields)];
  await writeScript.run(redis, [poolKeys.rollout(name)], args);
  return readRollout(redis, name);
}

function fieldsOf(step: RolloutStep, now: number, deadlineMs: number): Partial<Rollout> {
  if (step.kind === 'warm') return { warmAt: now };
  if (step.kind === 'proven') return { provenAt: now };
  const { kind, ...fields } = step;
  if (kind === 'begin') return { ...fields, startedAt: now, deadline: now + deadlineMs };
  return { ...fields, endedAt: now };
}

/** The first golden of a pool tells nothing: nobody had another. */
function eventsOf(step: RolloutStep): string[] {
  if (step.kind === 'warm' || step.kind === 'proven' || (step.kind === 'begin' && step.state === 'complete')) return [];
  return [`rollout.${step.state}`, ...(step.state === 'complete' ? ['pool.refreshed'] : [])];
}
