import { randomBytes } from 'node:crypto';
import type { ExecResult } from '#src/engine/engine.ts';
import { isErrnoError } from '#src/platform/errno.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { SubprocessError } from '#src/platform/subprocess.ts';
import type { Cgroup } from './cgroup-host.ts';
import { dissolveCgroup, killCgroup, makeSubgroup } from './cgroups.ts';
import { type CriuDeps, instanceCgroup } from './engine-deps.ts';

export type ExecDeps = Pick<CriuDeps, 'runc' | 'tag' | 'cgroupHost'>;

/** For runc to go after its command was killed; it is ended then. */
const runcGraceMs = 5000;

/**
 * Runs a command inside, always by runc: with the instance's capabilities, seccomp, cgroup and user. Entering its namespaces
 * ourselves would run code of the image with the host's rights (FACTS.md). 45 ms.
 *
 * At the deadline or an abort everything that it started is killed, whatever signals that ignores and wherever in the tree of processes it
 * has got to. (Parents with their children, or a script would go on behind a child that was killed; whom nobody waits for then, the app's
 * first process has to reap.) What a command that ended by itself left running goes on: hooks may start what stays.
 */
export async function execInInstance(
  deps: ExecDeps,
  id: InstanceId,
  command: readonly string[],
  options: { timeoutMs: number; signal?: AbortSignal; env?: Readonly<Record<string, string>> },
): Promise<ExecResult> {
  const { timeoutMs, signal, env = {} } = options;
  const variables = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
  const group = execGroup(deps, id);
  makeGroup(group.cgroup, id);
  const stop = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])]);
  const kill = () => void killCgroup(group.cgroup).catch(() => {}); // once more below
  stop.addEventListener('abort', kill, { once: true });
  try {
    const args = ['exec', '--cgroup', group.runcName, ...variables, id, ...command];
    const { exitCode, stdout, stderr } = await deps.runc.run(args, { timeoutMs: timeoutMs + runcGraceMs, signal: stop });
    return { exitCode, stdout, stderr };
  } catch (error) {
    if (!(error instanceof SubprocessError) || signal?.aborted) throw error;
    if (stop.aborted) throw tooLate(id, command, timeoutMs, error);
    if (error.exitCode === undefined || error.exitCode < 0) throw error;
    return { exitCode: error.exitCode, stdout: error.stdout, stderr: error.stderr };
  } finally {
    stop.removeEventListener('abort', kill);
    if (stop.aborted) await killCgroup(group.cgroup).catch(() => {}); // frozen ones die when they thaw
    await dissolveCgroup(group.cgroup, instanceCgroup(deps, id)).catch(() => {}); // it goes with the instance's own
  }
}

function makeGroup(cgroup: Cgroup, id: InstanceId): void {
  try {
    makeSubgroup(cgroup);
  } catch (error) {
    if (!isErrnoError(error, 'ENOENT', 'ENODEV')) throw error;
    throw new ThawError('instance_not_found', `${id} is being destroyed`, { fix: 'List the instances; it may have ended.', cause: error });
  }
}

/** In one hierarchy: enough to know all that a command started, for processes inside can not leave their group. */
function execGroup({ tag, cgroupHost }: ExecDeps, id: InstanceId): { cgroup: Cgroup; runcName: string } {
  const controller = cgroupHost.version === 'v2' ? '' : 'pids';
  const hierarchies = cgroupHost.hierarchies.filter(({ names }) => names.includes(controller));
  const name = `exec-${randomBytes(4).toString('hex')}`;
  const cgroup = { host: { ...cgroupHost, hierarchies }, path: `${instanceCgroup({ tag, cgroupHost }, id).path}/${name}` };
  return { cgroup, runcName: controller === '' ? name : `${controller}:${name}` };
}

function tooLate(id: InstanceId, command: readonly string[], timeoutMs: number, cause: Error): ThawError {
  return new ThawError('subprocess_failed', `${command.join(' ')} in ${id} exceeded ${timeoutMs} ms`, { fix: 'Allow more time.', cause });
}
