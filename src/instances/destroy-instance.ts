import type { Engine } from '#src/engine/engine.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { moveInstance } from './store.ts';

export interface DestroyDeps {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'destroy'>;
}

/**
 * Ends an instance and removes all that belongs to it. One that a claim holds is left alone: a release moves it to `releasing`
 * first, so that a destroy that was planned before the claim can not take it from its tenant. Can be repeated.
 */
export async function destroyInstance({ redis, engine }: DestroyDeps, id: InstanceId): Promise<void> {
  const { before } = await moveInstance(redis, id, { to: 'releasing', from: ['starting', 'priming', 'restoring', 'preparing', 'warm'] });
  if (before === 'claimed' || before === 'suspended') return;
  await engine.destroy(id);
  await moveInstance(redis, id, { to: 'destroyed' });
}
