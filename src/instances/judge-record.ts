import type { EngineInstance } from '#src/engine/engine.ts';
import { type Instance, isInTheMaking } from './instance.ts';

/** What reconcile does about one recorded instance: `finish` destroys it, `leave` trusts the job that is at it. */
export type Verdict =
  | { readonly kind: 'adopt' | 'finish' | 'leave' }
  | { readonly kind: 'lose'; readonly why: string; readonly reason?: 'exited' };

/** Longer than the jobs take: whoever was at it is gone. */
const releasingLimitMs = 60_000;
const preparingLimitMs = 120_000;
/** Clones of no pool prove their golden. */
const provingLimitMs = 600_000;

/** Compares a record with what the engine has under its id. Pure. `now` in ms by the clock of the records. */
export function judgeRecord(record: Instance, running: EngineInstance | undefined, now: number): Verdict {
  const sinceMs = now - record.stateAt;
  if (record.pool === '' && record.role === 'clone' && now - record.createdAt > provingLimitMs) return { kind: 'finish' };
  if (record.state === 'releasing') return { kind: sinceMs > releasingLimitMs ? 'finish' : 'leave' };
  if (isInTheMaking(record.state)) {
    // What starts cold may take an hour to be ready, and its job is resumed; the planner asks again for what is restoring.
    if (record.role !== 'clone' || record.state !== 'preparing' || sinceMs <= preparingLimitMs) return { kind: 'leave' };
    return { kind: 'lose', why: `was not made ready within ${preparingLimitMs} ms` };
  }
  if (running === undefined) return { kind: 'lose', why: `is ${record.state} but does not run any more` };
  if (running.state === 'exited') return { kind: 'lose', why: `is ${record.state} but exited in the engine`, reason: 'exited' };
  if (running.state === 'partial') return { kind: 'lose', why: `is ${record.state} but partial in the engine` };
  if (running.boundTo === undefined || running.boundTo.claim === record.claim) return { kind: 'adopt' };
  // Redis came back older than the world: what a tenant has touched is never warm again (law 1).
  return { kind: 'lose', why: `is ${record.state} but was bound to claim ${running.boundTo.claim}` };
}
