import type { ExecResult } from '#src/engine/engine.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { SubprocessError } from '#src/platform/subprocess.ts';
import type { CriuDeps } from './engine-deps.ts';

/**
 * Runs a command inside, always by runc: with the instance's capabilities, seccomp, cgroup and user. Entering its namespaces
 * ourselves would run code of the image with the host's rights (FACTS.md). 45 ms.
 */
export async function execInInstance(
  deps: CriuDeps,
  id: InstanceId,
  command: readonly string[],
  options: { timeoutMs: number; signal?: AbortSignal },
): Promise<ExecResult> {
  try {
    return await deps.runc.run(['exec', id, ...command], options);
  } catch (error) {
    if (!(error instanceof SubprocessError) || options.signal?.aborted) throw error;
    if (error.timedOut) {
      throw new ThawError('subprocess_failed', `${command.join(' ')} in ${id} exceeded ${options.timeoutMs} ms`, {
        fix: 'Allow more time.',
        cause: error,
      });
    }
    if (error.exitCode === undefined || error.exitCode < 0) throw error;
    return { exitCode: error.exitCode, stdout: error.stdout, stderr: error.stderr };
  }
}
