import { findCriu } from '#src/engine/criu/find-criu.ts';
import { checkHardConditions } from '#src/nodes/doctor/doctor.ts';
import { formatFindings } from '#src/nodes/doctor/finding.ts';
import type { Config } from '#src/platform/config.ts';
import { CommandError } from './command.ts';

/** Throws CommandError that tells every hard condition which this machine misses, in the words of `thaw doctor`. */
export async function refuseUnfitMachine(config: Config): Promise<void> {
  const missing = await checkHardConditions({ config, findCriu });
  if (missing.length === 0) return;
  throw new CommandError(`this machine can not run Thaw:\n${formatFindings(missing)}`, '`thaw doctor` shows every condition.');
}
