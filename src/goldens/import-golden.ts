import type { RunPhase } from '#src/engine/engine.ts';
import { type GoldenPlace, parseGoldenPlace } from '#src/engine/golden-place.ts';
import { workloadOf } from '#src/templates/template.ts';
import type { CaptureRun } from './capture/capture-run.ts';
import { moveGolden } from './store.ts';

/** Instead of a primer: the golden is fetched, unpacked and sealed, each a step; it then has its files and is `verifying`. */
export async function importGolden({ deps, golden, step }: Omit<CaptureRun, 'params'>, from: string): Promise<void> {
  const place: GoldenPlace = parseGoldenPlace(from);
  const phase: RunPhase = async (name, work) => {
    if (name === 'seal') await moveGolden(deps.redis, golden.id, 'sealing');
    return await step(name, work);
  };
  const {
    timingsMs,
    cpuMs: _primer,
    connections,
    ...imported
  } = await deps.engine.importGolden(workloadOf(golden.spec), golden.id, place, phase);
  await moveGolden(deps.redis, golden.id, 'verifying', { ...imported, connections: [...connections], timingsMs: { ...timingsMs } });
}
