import { mkdirSync } from 'node:fs';
import { readMounts } from '#src/platform/mountinfo.ts';
import { run, SubprocessError } from '#src/platform/subprocess.ts';
import type { InstanceLayout } from './instance-layout.ts';

/**
 * An instance's root filesystem: its own layer over `lowers`, the uppermost first. Mounted once; a second call finds it.
 * Without devices: an image may hold nodes of any disk, and on cgroup v2 a clone has no device filter.
 */
export async function mountRootfs(layout: InstanceLayout, lowers: readonly string[]): Promise<void> {
  for (const directory of [layout.rootfs, layout.upper, layout.work]) mkdirSync(directory, { recursive: true, mode: 0o755 });
  if (isMounted(layout.rootfs)) return;
  const options = `nodev,lowerdir=${lowers.join(':')},upperdir=${layout.upper},workdir=${layout.work}`;
  await run(['mount', '-t', 'overlay', 'thaw', '-o', options, layout.rootfs], { timeoutMs: 10_000 });
}

/** Idempotent. Lazily when something still holds it: its processes are dead or dying by then. */
export async function unmountRootfs(layout: InstanceLayout): Promise<void> {
  if (isMounted(layout.rootfs)) await unmount(layout.rootfs);
}

export async function unmount(path: string): Promise<void> {
  try {
    await run(['umount', path], { timeoutMs: 10_000 });
  } catch (error) {
    if (!(error instanceof SubprocessError) || !isMounted(path)) throw error;
    await run(['umount', '--lazy', path], { timeoutMs: 10_000 });
  }
}

export function isMounted(path: string): boolean {
  return readMounts().some(({ mountPoint }) => mountPoint === path);
}
