import type { Failure } from '#src/platform/failure.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { DestroyDeps } from './destroy-instance.ts';
import { isLive } from './instance.ts';
import { getInstance, moveInstance } from './store.ts';

export interface LossDeps extends DestroyDeps {
  /** Ends the claim that holds the instance, if it has not ended. Called again when a crash came between. */
  onInstanceLost(id: InstanceId, reason: string): Promise<void>;
}

/**
 * Records that an instance can not go on, whatever its state: its claim ends as lost, its record is `failed`, its remains are
 * destroyed. Can be repeated. The claim first: a crash after it leaves a record that reconcile finds again.
 */
export async function loseInstance(deps: LossDeps, id: InstanceId, problem: Failure): Promise<void> {
  for (let moved = false; !moved; ) {
    const instance = await getInstance(deps.redis, id);
    if (!instance || !isLive(instance.state)) break;
    if (instance.state === 'claimed' || instance.state === 'suspended') await deps.onInstanceLost(id, problem.message);
    const { state } = (await getInstance(deps.redis, id)) ?? instance; // ending the claim may have moved it
    ({ moved } = await moveInstance(deps.redis, id, { to: 'failed', from: [state], problem }));
  }
  await deps.engine.destroy(id);
}
