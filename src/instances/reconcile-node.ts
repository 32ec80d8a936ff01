import type { Engine, EngineInstance } from '#src/engine/engine.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { redisTimeMs } from '#src/platform/redis.ts';
import { destroyInstance } from './destroy-instance.ts';
import { type Instance, isLive } from './instance.ts';
import { judgeRecord, type Verdict } from './judge-record.ts';
import { type LossDeps, loseInstance } from './lose-instance.ts';
import { getInstance, getInstances, listNodeInstances } from './store.ts';

export interface ReconcileDeps extends LossDeps {
  readonly engine: Pick<Engine, 'destroy' | 'list'>;
  readonly node: string;
}

export interface Reconciled {
  /** Ran without a record, or should have been gone. */
  readonly destroyed: number;
  /** Recorded, but not there any more or not what the record says. */
  readonly lost: number;
  /** Recorded and there. */
  readonly adopted: number;
  /** What could not be made to agree; the next run tries again. */
  readonly failures: readonly ReconcileFailure[];
}

interface ReconcileFailure {
  readonly instance: InstanceId;
  readonly error: unknown;
}

/**
 * Makes what runs on the node and what is recorded of it agree (law 6). `isRebooted`: nothing of before runs any more.
 * Safe beside running jobs. One instance that fails keeps no other from being looked at, nor a worker from starting: failures are answered.
 */
export async function reconcileNode(deps: ReconcileDeps, isRebooted: boolean): Promise<Reconciled> {
  // Records first: what they call warm must be in a list made later. What has no record in this reading is looked up again below.
  const records = await listNodeInstances(deps.redis, deps.node);
  const running = new Map((await deps.engine.list()).map((instance) => [instance.id, instance]));
  const now = await redisTimeMs(deps.redis);
  const counts: Record<Verdict['kind'], number> = { adopt: 0, finish: 0, lose: 0, leave: 0 };
  const failures: ReconcileFailure[] = [];
  for (const record of records) {
    const verdict = isRebooted ? rebooted(deps.node) : await judgeTwice(deps, record, running.get(record.id), now);
    await carryOut(deps, record.id, verdict).then(
      () => counts[verdict.kind]++,
      (error: unknown) => failures.push({ instance: record.id, error }),
    );
  }
  for (const record of records) running.delete(record.id);
  for (const id of await withoutRecord(deps, [...running.keys()])) {
    await deps.engine.destroy(id).then(
      () => counts.finish++,
      (error: unknown) => failures.push({ instance: id, error }),
    );
  }
  return { destroyed: counts.finish, lost: counts.lose, adopted: counts.adopt, failures };
}

/** A record may have moved on since it was read (a claim was bound): it is lost only if it still is by a reading after the list. */
async function judgeTwice({ redis }: ReconcileDeps, record: Instance, running: EngineInstance | undefined, now: number): Promise<Verdict> {
  const verdict = judgeRecord(record, running, now);
  if (verdict.kind !== 'lose') return verdict;
  const fresh = await getInstance(redis, record.id);
  return fresh && isLive(fresh.state) ? judgeRecord(fresh, running, now) : { kind: 'leave' };
}

async function carryOut(deps: ReconcileDeps, id: InstanceId, verdict: Verdict): Promise<void> {
  if (verdict.kind === 'finish') await destroyInstance(deps, id);
  if (verdict.kind !== 'lose') return;
  const fix = 'Nothing: it is replaced. Claims that held it ended as lost.';
  const problem = describeFailure(new ThawError('instance_lost', `instance ${id} ${verdict.why}`, { fix }));
  await loseInstance(deps, id, problem, { reason: verdict.reason ?? 'node_lost' });
}

function rebooted(node: string): Verdict {
  return { kind: 'lose', why: `ended when its node "${node}" was restarted` };
}

async function withoutRecord({ redis }: ReconcileDeps, ids: readonly InstanceId[]): Promise<InstanceId[]> {
  const live = new Set((await getInstances(redis, ids)).filter((record) => isLive(record.state)).map((record) => record.id));
  return ids.filter((id) => !live.has(id));
}
