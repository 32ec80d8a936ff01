import type { Config } from '#src/platform/config.ts';
import { checkCgroups } from './cgroups.ts';
import { checkCriu } from './criu.ts';
import type { Finding } from './finding.ts';
import { checkGoldenKeys } from './golden-keys.ts';
import { checkKernel } from './kernel.ts';
import { checkMemory } from './memory.ts';
import { checkNetwork } from './network.ts';
import { checkPorts } from './ports.ts';
import { checkPrivileges } from './privileges.ts';
import { checkRedis } from './redis.ts';
import { checkStorage } from './storage.ts';
import { checkTools, judgeNode } from './tools.ts';

export interface DoctorDeps {
  readonly config: Config;
  /** The path of the CRIU that the engine would use. */
  readonly findCriu: () => string | undefined;
}

/**
 * Judges every condition of this machine that the configured engine needs. It leaves the machine as it found it: the overlay trial
 * lives in a mount namespace of its own, a cgroup of a trial is removed, and `criu check` writes at most its cache /run/criu.kdat.
 */
export function runDoctor(deps: DoctorDeps): Promise<Finding[]> {
  return judgeMachine(deps, false);
}

/** The hard conditions that this machine misses, none when `thaw up` can go on. Takes about 0.2 s. */
export async function checkHardConditions(deps: DoctorDeps): Promise<Finding[]> {
  return (await judgeMachine(deps, true)).filter(({ status }) => status === 'fail');
}

async function judgeMachine(deps: DoctorDeps, isStarting: boolean): Promise<Finding[]> {
  const { config } = deps;
  const themes = await Promise.all([
    [judgeNode(process.version)],
    ...(config.engine === 'criu' ? checkContainers(deps) : []),
    checkRedis(config),
    checkPorts(config, isStarting),
  ]);
  return themes.flat();
}

function checkContainers({ config, findCriu }: DoctorDeps): Promise<Finding[]>[] {
  return [
    checkPrivileges(),
    checkKernel(),
    checkCriu(findCriu),
    checkTools(),
    checkCgroups(),
    checkStorage(config),
    checkGoldenKeys(config.goldenKeys),
    checkMemory(config.memoryReserveBytes),
    checkNetwork(),
  ];
}
