import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '#src/platform/subprocess.ts';
import { type CriuDeps, criuRunDirectory } from './engine-deps.ts';

/**
 * CRIU keeps what it probed of the kernel in /run/criu.kdat, on a tmpfs only; without it every call probes for 30 ms and more, and one
 * made as another user (checkpoint-instance.ts) fails in the probing. Where /run is no tmpfs, a directory of ours is shown to it instead.
 */
export async function primeKdat(deps: CriuDeps): Promise<void> {
  const file = join(deps.isRunTmpfs ? '/run' : criuRunDirectory(deps), 'criu.kdat');
  if (existsSync(file)) return;
  const [program = deps.criu, ...rest] = [...kdatPrefix(deps), deps.criu, 'check'];
  await run([program, ...rest], { timeoutMs: 30_000, env: deps.runc.env, okCodes: [1] }); // what check finds is doctor's to tell
}

/** Runs the rest of the command in a mount namespace of its own, where /run is ours but for the network namespaces in it. */
export function kdatPrefix(deps: Pick<CriuDeps, 'paths' | 'isRunTmpfs'>): string[] {
  if (deps.isRunTmpfs) return [];
  const script = ['mkdir -p "$0/netns" /run/netns', 'mount --rbind /run/netns "$0/netns"', 'mount --rbind "$0" /run', 'exec "$@"'].join(
    ' && ',
  );
  return ['unshare', '--mount', '/bin/sh', '-c', script, criuRunDirectory(deps)];
}
