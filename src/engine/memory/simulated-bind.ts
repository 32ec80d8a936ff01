import type { Binding, BoundInstance } from '#src/engine/engine.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { simulateDelay } from './simulated-delay.ts';
import { callSimulatedBindHook } from './simulated-hooks.ts';
import { keepBinding } from './simulated-instance.ts';
import type { Simulation } from './simulation.ts';
import { readSwitches } from './switches.ts';

/** Throws bind_failed, hook_failed. */
export async function bindSimulated(simulation: Simulation, id: InstanceId, binding: Binding): Promise<BoundInstance> {
  const { clock, faults, node, timings } = simulation;
  const startedAt = performance.now();
  const { app } = node.requireBindable(id, binding);
  faults.strike('bind', id);
  const switches = readSwitches('bind_failed', { ...app.workload.env, ...binding.env });
  await simulateDelay(clock, switches.THAW_SIMULATE_BIND_MS ?? timings.bindMs, `the bind of ${id}`);
  if (switches.THAW_SIMULATE_BIND_FAILURE === '1') {
    throw new ThawError('bind_failed', `bind of ${id} failed: THAW_SIMULATE_BIND_FAILURE is set`, { fix: 'Leave it out.' });
  }
  const instance = node.requireBindable(id, binding);
  if (instance.binding === undefined) node.endLater(instance, switches);
  keepBinding(instance, binding);
  return { timingsMs: { bind: elapsedMs(startedAt), hook: await callSimulatedBindHook(simulation, instance) } };
}
