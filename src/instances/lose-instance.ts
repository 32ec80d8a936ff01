import type { Failure } from '#src/platform/failure.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { DestroyDeps } from './destroy-instance.ts';
import { isLive } from './instance.ts';
import { getInstance, moveInstance } from './store.ts';

/** How an instance came to its end, for the claim that held it. */
export interface InstanceLoss {
  readonly reason: 'exited' | 'oom' | 'node_lost';
  readonly detail: string;
  readonly exitCode?: number;
}

export interface LossDeps extends DestroyDeps {
  /** Ends the claim that holds the instance, if it has not ended. Called again when a crash came between. */
  onInstanceLost(id: InstanceId, loss: InstanceLoss): Promise<void>;
}

/**
 * Records that an instance can not go on, whatever its state: its claim ends as lost, its record is `failed`, its remains are
 * destroyed. Can be repeated. The claim first: a crash after it leaves a record that reconcile finds again.
 */
export async function loseInstance(deps: LossDeps, id: InstanceId, problem: Failure, loss: Omit<InstanceLoss, 'detail'>): Promise<void> {
  for (let moved = false; !moved; ) {
    const instance = await getInstance(deps.redis, id);
    if (!instance || !isLive(instance.state)) break;
    let { state } = instance;
    if (state === 'claimed' || state === 'suspended') {
      await deps.onInstanceLost(id, { ...loss, detail: problem.message });
      state = (await getInstance(deps.redis, id))?.state ?? state; // ending the claim may have moved it
    }
    // From the state that was looked at: one that was warm and is claimed meanwhile is looked at again.
    ({ moved } = await moveInstance(deps.redis, id, { to: 'failed', from: [state], problem }));
  }
  await deps.engine.destroy(id);
}
