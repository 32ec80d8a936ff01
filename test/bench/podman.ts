import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { findCriu } from '#src/engine/criu/find-criu.ts';
import type { Sandbox } from '#src/engine/sandbox/sandbox.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { run } from '#src/platform/subprocess.ts';
import { ask, waitUntilReady } from '#test/contract/ask-app.ts';

export interface Podman extends AsyncDisposable {
  /** `podman container restore --import`; the ms to the app's first answer. */
  restore(): Promise<number>;
}

const image = 'localhost/bench:1';
const app = ['/usr/bin/perl', '/srv/test-app.pl'];

/**
 * The same app from the same root filesystem, checkpointed by `podman container checkpoint --export` without compression. It has storage and
 * settings of its own in `directory`, and the sandbox's network namespace, which is not on its clock.
 */
export async function openPodman(directory: string, imageRootfs: string, sandbox: Sandbox, heapMb: number): Promise<Podman> {
  const at = (name: string) => join(directory, name);
  for (const name of ['root', 'run', 'tmp', 'net']) mkdirSync(at(name), { recursive: true });
  writeFileSync(at('containers.conf'), '[containers]\ndefault_ulimits=[]\n'); // it can not raise them without CAP_SYS_RESOURCE
  writeFileSync(at('storage.conf'), `[storage]\ndriver="vfs"\nrunroot="${at('run')}"\ngraphroot="${at('root')}"\n`);
  const env = {
    PATH: `${dirname(findCriu() ?? '/usr/sbin/criu')}:${process.env.PATH}`,
    CONTAINERS_CONF: at('containers.conf'),
    CONTAINERS_STORAGE_CONF: at('storage.conf'),
    TMPDIR: at('tmp'),
  };
  const options = ['--tmpdir', at('tmp'), '--cgroup-manager', 'cgroupfs', '--runtime', 'runc', '--events-backend', 'none'];
  const podman = (...words: string[]) =>
    run(['podman', ...options, '--network-config-dir', at('net'), ...words], { timeoutMs: 120_000, env });

  await run(['tar', '-C', imageRootfs, '-cf', at('image.tar'), '.'], { timeoutMs: 60_000 });
  await podman('import', at('image.tar'), image);
  await podman('run', '--detach', '--name', 'primer', '--network', `ns:${sandbox.netnsPath}`, '--memory', '1g', image, ...app);
  await waitUntilReady(sandbox);
  await ask(sandbox, `/alloc?mb=${heapMb}`, 60_000);
  await podman('container', 'checkpoint', '--export', at('checkpoint.tar'), '--compress', 'none', 'primer');
  await podman('rm', '--force', 'primer');
  return {
    async restore() {
      const startedAt = performance.now();
      await podman('container', 'restore', '--import', at('checkpoint.tar'), '--name', 'clone');
      await ask(sandbox, '/');
      const ms = performance.now() - startedAt;
      await podman('rm', '--force', '--time', '0', 'clone');
      return ms;
    },
    async [Symbol.asyncDispose]() {
      await podman('rm', '--force', '--time', '0', '--all').catch(() => {}); // gone already, as a rule
      await removeTree(directory);
    },
  };
}
