import type { CheckpointFinding } from '#src/engine/checkpoint-report.ts';
import type { InspectedProcess } from './read-process.ts';

/** Who the processes are, and who holds them fast. `hasSysResource`: whether CRIU may read the limits of processes of other users. */
export function findProcessTroubles(processes: readonly InspectedProcess[], hasSysResource: boolean): CheckpointFinding[] {
  return [
    ...processes.filter(({ tracer }) => tracer !== 0).map((traced) => tracedBy(traced, processes)),
    ...(hasSysResource ? [] : findMixedUsers(processes)),
  ];
}

function tracedBy({ label, tracer }: InspectedProcess, processes: readonly InspectedProcess[]): CheckpointFinding {
  const who = processes.find(({ pid }) => pid === tracer)?.label ?? 'a process outside';
  return {
    kind: 'tracer',
    severity: 'stops',
    process: label,
    detail: `it is being traced by ${who}`,
    fix: 'Detach debuggers and profilers.',
  };
}

/** CRIU takes on one user and one group then, and reads the limits of processes that are wholly theirs. */
function findMixedUsers(processes: readonly InspectedProcess[]): CheckpointFinding[] {
  const ids = processes.flatMap(({ ids: { uids, gids } }) => uids.map((uid, at) => `${uid}:${gids[at]}`));
  const users = [...new Set(ids)];
  if (users.length < 2) return [];
  return [
    {
      kind: 'user',
      severity: 'stops',
      process: '',
      detail: `its processes run as several users (${users.join(', ')}) and this node lacks CAP_SYS_RESOURCE`,
      fix: "Run all processes as one user (the template's `user`), or give the node CAP_SYS_RESOURCE.",
    },
  ];
}
