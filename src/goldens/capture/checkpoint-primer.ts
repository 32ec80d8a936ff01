import { moveGolden } from '#src/goldens/store.ts';
import { recordWorkingInstance, workingInstances } from '#src/goldens/working-instances.ts';
import { destroyInstance } from '#src/instances/destroy-instance.ts';
import type { CaptureRun } from './capture-run.ts';
import { preparePrimer } from './prepare-primer.ts';

/** A primer is started, prepared and dumped: the golden then has its files and is `verifying`. */
export async function checkpointPrimer({ deps, golden, operation, step }: CaptureRun): Promise<void> {
  const { primer } = workingInstances(operation);
  await recordWorkingInstance(deps.redis, golden, primer, 'primer');
  const coldStart = await preparePrimer(deps, primer, golden.spec, step);
  await step('checkpoint', async (stop) => {
    await moveGolden(deps.redis, golden.id, 'sealing');
    const {
      timingsMs,
      cpuMs: _primer,
      ...checkpoint
    } = await deps.engine.checkpoint(primer, golden.id, stop, {
      connections: golden.spec.capture?.connections ?? 'close',
    });
    await destroyInstance(deps, primer);
    const { total = 0, ...phases } = timingsMs;
    const connections = [...checkpoint.connections];
    const all = { ...coldStart, ...phases, checkpoint: total };
    await moveGolden(deps.redis, golden.id, 'verifying', { ...checkpoint, connections, timingsMs: all });
  });
}
