import { findProgram, programDirectories } from '#src/platform/find-program.ts';

/** Where set-up puts a CRIU that fits the kernel when the distribution's does not (deploy/host/criu.sh). */
const criuPrefix = '/opt/thaw/criu';

/** The CRIU that this machine uses: the one of set-up first, then the system's. Undefined when there is none. */
export function findCriu(): string | undefined {
  return findProgram('criu', [criuPrefix, ...programDirectories]);
}
