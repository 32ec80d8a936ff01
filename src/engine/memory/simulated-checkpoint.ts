import type { Checkpoint, CheckpointOptions } from '#src/engine/engine.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { simulateDelay } from './simulated-delay.ts';
import { snapshotApp } from './simulated-instance.ts';
import { refuseCheckpoint } from './simulated-report.ts';
import type { Simulation } from './simulation.ts';

/** The primer is gone then. A golden that is there already is answered as it is, unless it is to be replaced. */
export async function checkpointSimulated(
  { clock, faults, node, goldens, timings, fingerprint }: Simulation,
  id: InstanceId,
  golden: GoldenId,
  signal: AbortSignal | undefined,
  { replace = false }: CheckpointOptions,
): Promise<Checkpoint> {
  if (replace) faults.forgetGolden(golden); // files of before
  const sealed = replace ? undefined : goldens.sealed(golden);
  if (sealed) return sealed;
  const before = node.requireAlive(id);
  faults.strike('checkpoint', `${id} into ${golden}`);
  refuseCheckpoint(before);
  const { checkpointMs } = timings;
  const checkpointedAtMs = clock.nowMs();
  await simulateDelay(clock, checkpointMs, `the checkpoint of ${id} into ${golden}`, signal);
  const primer = node.requireAlive(id);
  node.remove(primer);
  return goldens.seal(golden, snapshotApp(primer, clock.nowMs()), { dumpMs: checkpointMs, checkpointedAtMs, fingerprint });
}
