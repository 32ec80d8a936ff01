import type { RestoredInstance } from '#src/engine/engine.ts';
import { requireDigest } from '#src/engine/require-digest.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { simulateDelay } from './simulated-delay.ts';
import { startedInstance } from './simulated-instance.ts';
import type { Simulation } from './simulation.ts';
import { readSwitches } from './switches.ts';

/** Throws golden_missing, golden_corrupt, memory_reserve, and restore_failed for what was captured under another kernel. */
export async function restoreSimulated(
  { clock, faults, node, goldens, timings, fingerprint }: Simulation,
  golden: GoldenId,
  id: InstanceId,
  signal: AbortSignal | undefined,
  digest: string | undefined,
): Promise<RestoredInstance> {
  const startedAt = performance.now();
  const existing = node.findRunning(id);
  if (existing) return startedInstance(existing, startedAt);
  const { app, checkpointedAtMs } = goldens.open(golden);
  requireDigest(golden, goldens.sealed(golden)?.digest ?? '', digest);
  goldens.requireKernel(golden, fingerprint);
  faults.strike('restore', `${id} from ${golden}`);
  const { THAW_SIMULATE_RESTORE_MS: restoreMs = timings.restoreMs } = readSwitches('app_start_failed', app.workload.env);
  await simulateDelay(clock, restoreMs, `the restore of ${id} from ${golden}`, signal);
  return startedInstance(await node.launch(id, app, { golden, checkpointedAtMs }), startedAt);
}
