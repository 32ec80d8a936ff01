import type { EngineInstance } from '#src/engine/engine.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { isFrozen, listChildCgroups } from './cgroups.ts';
import { allInstancesCgroup, type CriuDeps, instanceCgroup } from './engine-deps.ts';
import { exitsDirectory, instanceLayout, isInstanceId, readInstanceIds } from './instance-layout.ts';
import { isRunning, readBoundRecord, readInstanceRecord } from './instance-record.ts';

/** The ground truth: whatever carries an instance id on this node, by its directory, sandbox, cgroup or exit file. */
export async function listInstances(deps: CriuDeps): Promise<EngineInstance[]> {
  const ids = [
    ...readInstanceIds(deps.paths.instances),
    ...(await deps.sandboxes.list()),
    ...listChildCgroups(allInstancesCgroup(deps)).filter(isInstanceId),
    ...readInstanceIds(exitsDirectory(deps.paths)),
  ];
  return [...new Set(ids)].sort().map((id) => describeInstance(deps, id));
}

function describeInstance(deps: CriuDeps, id: InstanceId): EngineInstance {
  const layout = instanceLayout(deps.paths, id);
  const record = readInstanceRecord(layout);
  if (!record?.process || record.bootId !== deps.bootId) return { id, state: 'partial' };
  const bound = readBoundRecord(layout);
  const state = !isRunning(record) ? 'exited' : isFrozen(instanceCgroup(deps, id)) ? 'paused' : 'running';
  return { id, state, address: record.address, ...(record.golden ? { golden: record.golden } : {}), ...(bound ? { boundTo: bound } : {}) };
}
