import type { Config } from '#src/platform/config.ts';
import { checkCgroups } from './cgroups.ts';
import { checkCriu } from './criu.ts';
import type { Finding } from './finding.ts';
import { checkKernel } from './kernel.ts';
import { checkMemory } from './memory.ts';
import { checkNetwork, checkPort } from './network.ts';
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
export async function runDoctor(deps: DoctorDeps): Promise<Finding[]> {
  const { config } = deps;
  const themes = await Promise.all([
    [judgeNode(process.version)],
    ...(config.engine === 'criu' ? checkContainers(deps) : []),
    checkRedis(config),
    checkPort(config),
  ]);
  return themes.flat();
}

/** The hard conditions that this machine misses, none when `thaw up` can go on. Takes about 0.2 s. */
export async function checkHardConditions(deps: DoctorDeps): Promise<Finding[]> {
  return (await runDoctor(deps)).filter(({ status }) => status === 'fail');
}

function checkContainers({ config, findCriu }: DoctorDeps): Promise<Finding[]>[] {
  return [
    checkPrivileges(),
    checkKernel(),
    checkCriu(findCriu),
    checkTools(),
    checkCgroups(),
    checkStorage(config),
    checkMemory(config.memoryReserveBytes),
    checkNetwork(),
  ];
}
