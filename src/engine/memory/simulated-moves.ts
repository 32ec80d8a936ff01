import type { ExportedGolden, ExportOptions, ImportedGolden, RunPhase } from '#src/engine/engine.ts';
import type { GoldenPlace } from '#src/engine/golden-place.ts';
import type { Workload } from '#src/engine/workload.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { simulateDelay } from './simulated-delay.ts';
import type { Simulation } from './simulation.ts';

/** In the phases of the real one. Throws export_target_exists. */
export async function exportSimulated(
  simulation: Simulation,
  golden: GoldenId,
  to: GoldenPlace,
  { overwrite }: ExportOptions,
  phase: RunPhase,
): Promise<ExportedGolden> {
  simulation.faults.strike('export', `${golden} to ${to.text}`);
  await takeTime(simulation, ['pack', 'push'], `the export of ${golden}`, phase);
  return simulation.goldens.export(golden, to, overwrite);
}

/** In the phases of the real one. Throws image_not_found or golden_incompatible. */
export async function importSimulated(
  simulation: Simulation,
  workload: Workload,
  golden: GoldenId,
  from: GoldenPlace,
  phase: RunPhase,
): Promise<ImportedGolden> {
  simulation.faults.strike('import', `${golden} from ${from.text}`);
  await takeTime(simulation, ['fetch', 'unpack', 'seal'], `the import of ${golden}`, phase);
  return simulation.goldens.import(golden, from, workload);
}

async function takeTime({ clock, timings }: Simulation, phases: readonly string[], what: string, phase: RunPhase): Promise<void> {
  for (const name of phases) await phase(name, (signal) => simulateDelay(clock, timings.moveMs ?? 0, what, signal));
}
