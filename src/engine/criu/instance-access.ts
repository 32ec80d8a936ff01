import type { InstanceAccess } from '#src/engine/engine.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { withinSpace } from '#src/platform/out-of-space.ts';
import { KeyedMutex } from '#src/platform/semaphore.ts';
import { bindInstance } from './bind-instance.ts';
import { type CgroupHost, detectCgroupHost } from './cgroup-host.ts';
import { readUsage } from './cgroups.ts';
import { readLog } from './conmon.ts';
import { readEndedLog } from './ended-logs.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';
import { instanceLayout } from './instance-layout.ts';
import { type InstanceRecord, isRunning, readInstanceRecord } from './instance-record.ts';
import { createRunc } from './runc.ts';

export type AccessDeps = Pick<CriuDeps, 'paths' | 'tag'> & { readonly sandboxes: Pick<CriuDeps['sandboxes'], 'setEgress'> };

/** Works on what the engine recorded in its files; needs no set-up of the node and may run beside the engine. */
export function openInstanceAccess(options: AccessDeps, cgroupHost: CgroupHost = detectCgroupHost()): InstanceAccess {
  const deps = { ...options, cgroupHost, runc: createRunc(options.paths) };
  const mutex = new KeyedMutex();
  return {
    bind: (id, binding) => mutex.run(id, () => withinSpace(`the bind of ${id}`, () => bindInstance(deps, id, binding))),
    logs: async (id, maxBytes) => {
      const layout = instanceLayout(deps.paths, id);
      if (readInstanceRecord(layout)) return readLog(layout.log, maxBytes);
      const kept = readEndedLog(deps.paths, id, maxBytes);
      if (kept === undefined) throw notHere(id);
      return kept;
    },
    stats: async (id) => {
      requireRunning(deps, id);
      const { memoryBytes, cpuMs, pids } = readUsage(instanceCgroup(deps, id));
      return { memoryBytes, cpuMs, pids };
    },
  };
}

/** Throws instance_not_found. */
export function requireRunning(deps: Pick<CriuDeps, 'paths'>, id: InstanceId): InstanceRecord {
  const record = readInstanceRecord(instanceLayout(deps.paths, id));
  if (!isRunning(record)) throw notHere(id);
  return record;
}

function notHere(id: InstanceId): ThawError {
  return new ThawError('instance_not_found', `${id} does not run on this node`, { fix: 'List the instances; it may have ended.' });
}
