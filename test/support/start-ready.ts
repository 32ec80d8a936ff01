import type { Engine, StartedInstance } from '#src/engine/engine.ts';
import type { Workload } from '#src/engine/workload.ts';
import { type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { waitUntilReady } from '#test/contract/ask-app.ts';

export type Placed<T> = T & { readonly id: InstanceId };

/** A cold instance of the test app that answers. */
export async function startReady(engine: Engine, workload: Workload): Promise<Placed<StartedInstance>> {
  const id = newInstanceId();
  const instance = await engine.start(workload, id);
  await waitUntilReady(instance);
  return { ...instance, id };
}
