import { availableParallelism, release } from 'node:os';
import type { EngineProbe } from '#src/engine/engine.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { run } from '#src/platform/subprocess.ts';
import type { CriuDeps } from './engine-deps.ts';
import { readCpuFlags, readLsm } from './host-facts.ts';
import { readDiskFreeBytes, readMemoryInfo } from './node-reserve.ts';

/** What a golden depends on. Throws when CRIU or runc can not be run. */
export async function readFingerprint(deps: Pick<CriuDeps, 'criu' | 'runc' | 'cgroupHost'>): Promise<NodeFingerprint> {
  const criu = await run([deps.criu, '--version'], { timeoutMs: 5000, env: deps.runc.env });
  const runc = await deps.runc.run(['--version'], { timeoutMs: 5000 });
  return {
    arch: process.arch,
    kernel: release(),
    engine: 'criu',
    criu: /Version:\s*(\S+)/.exec(criu.stdout)?.[1] ?? 'unknown',
    runc: /runc version (\S+)/.exec(runc.stdout)?.[1] ?? 'unknown',
    cgroup: deps.cgroupHost.version,
    cpuFlags: readCpuFlags(),
    lsm: readLsm(),
  };
}

export function probeNode(deps: CriuDeps, fingerprint: NodeFingerprint): EngineProbe {
  const memory = readMemoryInfo();
  return {
    ok: true,
    problems: [],
    fingerprint,
    capacity: {
      memoryBytes: memory.totalBytes,
      memoryFreeBytes: Math.max(0, memory.availableBytes - deps.memoryReserveBytes),
      diskFreeBytes: Math.max(0, readDiskFreeBytes(deps.paths.dataDir) - deps.diskReserveBytes),
      cpus: availableParallelism(),
    },
  };
}
