import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { findCriu } from '#src/engine/criu/find-criu.ts';
import { instanceLayout } from '#src/engine/criu/instance-layout.ts';
import type { OpenGolden } from '#src/engine/criu/open-golden.ts';
import { mountRootfs, unmountRootfs } from '#src/engine/criu/overlay.ts';
import { specialise } from '#src/engine/criu/runc-state.ts';
import { createLocalSandboxes } from '#src/engine/sandbox/local/local-sandboxes.ts';
import type { Config } from '#src/platform/config.ts';
import { newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { ask, waitUntilReady } from '#test/contract/ask-app.ts';

export interface PlainRunc extends AsyncDisposable {
  /** The ms to the app's first answer. */
  restore(): Promise<number>;
}

const Spec = z.looseObject({ mounts: z.array(z.looseObject({ destination: z.string(), type: z.string() })) });

/** What `runc spec` writes, and with it every engine above runc. */
const defaultMounts = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
  { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'] },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['nosuid', 'noexec', 'nodev', 'relatime', 'ro'] },
];

/**
 * The same app on the same root filesystem, run, dumped and restored by runc alone with what it does by default: its mounts, CRIU's default options,
 * stdio on /dev/null. Its sandbox and root filesystem are not on its clock.
 */
export async function openPlainRunc(config: Config, golden: OpenGolden, imageRootfs: string, heapMb: number): Promise<PlainRunc> {
  const { paths, tag } = config;
  const id = newInstanceId();
  const layout = instanceLayout(paths, id);
  const sandboxes = createLocalSandboxes({ tag, dataDir: paths.dataDir, runDir: paths.run, hostPorts: [] });
  const sandbox = await sandboxes.prepare(id);
  const [root, image, work] = ['plain-runc', 'plain-image', 'plain-work'].map((name) => join(layout.directory, name));
  const env = { PATH: `${dirname(findCriu() ?? '/usr/sbin/criu')}:${process.env.PATH}` };
  const log = join(layout.directory, 'plain.log');
  const say = `"$@" </dev/null >/dev/null 2>&1 || { tail -n 3 ${log} >&2; exit 1; }`;
  // A shell in between: a program whose pipes the container inherits would not be seen to end.
  const runc = (...words: string[]) =>
    run(['/bin/sh', '-c', say, 'sh', 'runc', '--log', log, '--root', `${root}`, ...words], { timeoutMs: 60_000, env });
  mkdirSync(`${work}`, { recursive: true });
  await mountRootfs(layout, [imageRootfs]);
  const { annotations: _ours, ...spec } = Spec.parse(JSON.parse(specialise(golden.files.config, { id, tag, paths })));
  const binds = spec.mounts.filter(({ destination, type }) => type === 'bind' && destination.startsWith('/etc/'));
  writeFileSync(layout.config, JSON.stringify({ ...spec, mounts: [...defaultMounts, ...binds] }));
  await runc('run', '--detach', '--bundle', layout.directory, id);
  await waitUntilReady(sandbox);
  await ask(sandbox, `/alloc?mb=${heapMb}`, 60_000);
  await runc('checkpoint', '--image-path', `${image}`, '--work-path', `${work}`, id);
  return {
    async restore() {
      const startedAt = performance.now();
      await runc('restore', '--detach', '--bundle', layout.directory, '--image-path', `${image}`, '--work-path', `${work}`, id);
      await ask(sandbox, '/');
      const ms = performance.now() - startedAt;
      await runc('delete', '--force', id);
      return ms;
    },
    async [Symbol.asyncDispose]() {
      await runc('delete', '--force', id).catch(() => {}); // gone already, as a rule
      await unmountRootfs(layout);
      await sandboxes.remove(id);
      rmSync(layout.directory, { recursive: true, force: true });
    },
  };
}
