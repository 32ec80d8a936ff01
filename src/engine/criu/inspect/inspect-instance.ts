import { readFileSync } from 'node:fs';
import type { CheckpointFinding, CheckpointReport } from '#src/engine/checkpoint-report.ts';
import type { Connection } from '#src/engine/connection.ts';
import { isFrozen, readProcesses, readUsage, setFrozen } from '#src/engine/criu/cgroups.ts';
import { type CriuDeps, instanceCgroup } from '#src/engine/criu/engine-deps.ts';
import type { InstanceRecord } from '#src/engine/criu/instance-record.ts';
import { readDiskFreeBytes } from '#src/engine/criu/node-reserve.ts';
import { findFileTroubles } from './file-findings.ts';
import { listConnections } from './list-connections.ts';
import { findProcessTroubles } from './process-findings.ts';
import { type InspectedProcess, readProcess } from './read-process.ts';
import { connectionFindings, findSocketTroubles } from './socket-findings.ts';
import { readSocketProtocols } from './socket-protocols.ts';
import { findUnixTroubles } from './unix-findings.ts';
import { findWatchTroubles } from './watch-findings.ts';

type Deps = Pick<CriuDeps, 'tag' | 'cgroupHost' | 'hasSysResource' | 'paths' | 'diskReserveBytes'>;

/**
 * What a checkpoint of a running instance would meet: what CRIU 4.2 says it can not dump (its source, and tried: test/engine/inspect.test.ts),
 * looked for in /proc while the instance stands still. Namespaces and mounts of the app's own are not looked for: instances can make none.
 */
export async function inspectInstance(deps: Deps, { id, address }: InstanceRecord): Promise<CheckpointReport> {
  const cgroup = instanceCgroup(deps, id);
  const wasFrozen = isFrozen(cgroup);
  const stopped = wasFrozen ? [] : findStopped(deps, readInspected(readProcesses(cgroup)));
  try {
    await setFrozen(cgroup, true);
    const processes = readInspected(readProcesses(cgroup));
    const connections = listConnections(processes);
    const findings = [
      ...findProcessTroubles(processes, deps.hasSysResource),
      ...stopped.map(stoppedFinding),
      ...processes.flatMap(findFileTroubles),
      ...(await findWatchTroubles(processes)),
      ...findSocketTroubles(processes, await readSocketProtocols(processes), address),
      ...(await findUnixTroubles(processes)),
      ...connectionFindings(connections),
      ...findSpaceTrouble(deps, readUsage(cgroup).memoryBytes),
    ];
    const wouldSucceed = findings.every(({ severity }) => severity !== 'stops');
    return { wouldSucceed, findings, memoryBytes: sum(processes.map(readMemoryBytes)), processes: processes.length, connections };
  } finally {
    if (!wasFrozen) await setFrozen(cgroup, false);
  }
}

/** What a checkpoint looks at itself, while the instance goes on: its connections, and the processes that CRIU would wait for in vain. */
export function lookBriefly(
  deps: Pick<CriuDeps, 'tag' | 'cgroupHost'>,
  { id }: Pick<InstanceRecord, 'id'>,
): { connections: Connection[]; stopped: InspectedProcess[] } {
  const processes = readInspected(readProcesses(instanceCgroup(deps, id)));
  return { connections: listConnections(processes), stopped: findStopped(deps, processes) };
}

/** On cgroup v1 CRIU waits for a stopped process until its deadline (4.2.1, kernel 6.18). One that is frozen looks alike. */
function findStopped({ cgroupHost }: Pick<CriuDeps, 'cgroupHost'>, processes: readonly InspectedProcess[]): InspectedProcess[] {
  return cgroupHost.version === 'v1' ? processes.filter(({ isStopped }) => isStopped) : [];
}

function readInspected(pids: readonly number[]): InspectedProcess[] {
  return pids.flatMap((pid) => readProcess(pid) ?? []);
}

function stoppedFinding({ label }: InspectedProcess): CheckpointFinding {
  return {
    kind: 'stopped',
    severity: 'stops',
    process: label,
    detail: 'it is stopped (SIGSTOP)',
    fix: 'Let it go on before the checkpoint.',
  };
}

function findSpaceTrouble({ paths, diskReserveBytes }: Deps, needBytes: number): CheckpointFinding[] {
  const freeBytes = readDiskFreeBytes(paths.goldens);
  if (freeBytes - needBytes >= diskReserveBytes) return [];
  const [need, free, reserve] = [needBytes, freeBytes, diskReserveBytes].map((bytes) => `${Math.ceil(bytes / 1024 / 1024)} MB`);
  const detail = `it takes ${need}; ${free} are free on the disk of ${paths.goldens}, of which ${reserve} are reserved`;
  return [
    { kind: 'space', severity: 'stops', process: '', detail, fix: 'Delete goldens and images that are not in use, or free disk space.' },
  ];
}

/** Pages that are no clean copy of a file: what a dump writes. What processes share is counted once. */
function readMemoryBytes({ pid }: InspectedProcess): number {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kilobytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0);
    return 1024 * (kilobytes('Anonymous') + kilobytes('Pss_Shmem') + kilobytes('Swap'));
  } catch {
    return 0; // it has ended
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
