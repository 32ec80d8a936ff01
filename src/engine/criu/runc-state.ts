import { z } from 'zod';
import type { DataPaths } from '#src/platform/config.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import type { LiveProcess } from '#src/platform/live-process.ts';

interface Names {
  readonly id: InstanceId;
  readonly tag: string;
  readonly paths: DataPaths;
}

/**
 * runc's files of a primer with its names taken out, so that any clone on any node can be written from them.
 * The instance id is in every name of ours (bundle, rootfs, namespace, cgroup, mount sources) and random enough to be replaced as text.
 */
export function generalise(text: string, names: Names): string {
  return text.replaceAll(names.id, '{instance}').replaceAll(`thaw-${names.tag}`, '{group}').replaceAll(names.paths.dataDir, '{data}');
}

export function specialise(text: string, names: Names): string {
  return text.replaceAll('{data}', names.paths.dataDir).replaceAll('{group}', `thaw-${names.tag}`).replaceAll('{instance}', names.id);
}

const State = z.looseObject({ namespace_paths: z.record(z.string(), z.string()), config: z.looseObject({}) });

/** The state file by which runc manages what CRIU restored: exec, ps, pause, events, checkpoint, delete (tried with 1.1.5 and 1.3.6). */
export function cloneState(specialised: string, id: InstanceId, process: LiveProcess, cgroupPaths: Record<string, string>): string {
  const state = State.parse(JSON.parse(specialised));
  const namespaces = Object.entries(state.namespace_paths).map(([type, path]) => [
    type,
    `/proc/${process.pid}/ns/${path.split('/').at(-1)}`,
  ]);
  return JSON.stringify({
    ...state,
    id,
    init_process_pid: process.pid,
    init_process_start: process.startTicks,
    cgroup_paths: cgroupPaths,
    namespace_paths: Object.fromEntries(namespaces),
  });
}
