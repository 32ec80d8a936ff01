import { watch } from 'node:fs';
import type { InstanceExit } from '#src/engine/engine.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { readUsage } from './cgroups.ts';
import { readExitCode } from './conmon.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';
import { exitsDirectory, instanceLayout, readInstanceIds } from './instance-layout.ts';
import { readInstanceRecord } from './instance-record.ts';

const sweepMs = 500; // inotify tells within milliseconds; the sweep is for what it lost

/** What the engine knows of instances that end. */
export interface ExitView {
  /** It is being destroyed. */
  isExpected(id: InstanceId): boolean;
  /** Why the engine itself ended an instance, in words. */
  readonly evictions: ReadonlyMap<InstanceId, string>;
}

/** Calls back once an instance that ended by itself; one that was dumped or is being destroyed is none. */
export function watchExits(deps: CriuDeps, { isExpected, evictions }: ExitView, listener: (exit: InstanceExit) => void): () => void {
  const directory = exitsDirectory(deps.paths);
  const told = new Set<InstanceId>();
  const sweep = () => {
    const present = readInstanceIds(directory);
    for (const id of told) if (!present.includes(id)) told.delete(id);
    for (const id of present) {
      if (told.has(id) || isExpected(id)) continue;
      const exit = describeExit(deps, id, evictions.get(id));
      if (exit) {
        told.add(id);
        listener(exit);
      }
    }
  };
  const watcher = watch(directory, sweep);
  watcher.on('error', () => {}); // the directory went with a teardown; the sweep copes
  const timer = setInterval(sweep, sweepMs);
  sweep();
  return () => {
    watcher.close();
    clearInterval(timer);
  };
}

function describeExit(deps: CriuDeps, id: InstanceId, evicted: string | undefined): InstanceExit | undefined {
  const layout = instanceLayout(deps.paths, id);
  const record = readInstanceRecord(layout);
  const exitCode = readExitCode(layout.exitFile);
  if (!record || record.dumped || exitCode === undefined) return undefined;
  const oomKilled = readUsage(instanceCgroup(deps, id)).oomKills > 0;
  return { id, exitCode, oomKilled, ...(evicted === undefined ? {} : { evicted }) };
}
