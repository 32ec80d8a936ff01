import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Cgroup, detectCgroupHost } from '#src/engine/criu/cgroup-host.ts';
import { cgroupMounts } from '#src/engine/criu/cgroup-mounts.ts';
import { makeCgroup, removeCgroup } from '#src/engine/criu/cgroups.ts';
import { instanceCgroup } from '#src/engine/criu/engine-deps.ts';
import { findCriu } from '#src/engine/criu/find-criu.ts';
import { GoldenStore } from '#src/engine/criu/golden-store.ts';
import { createImageStore } from '#src/engine/criu/images/image-store.ts';
import { type InstanceLayout, instanceLayout, runcRoot } from '#src/engine/criu/instance-layout.ts';
import { createMemoryHolds } from '#src/engine/criu/memory-holds.ts';
import { externalMounts } from '#src/engine/criu/oci-spec.ts';
import type { OpenGolden } from '#src/engine/criu/open-golden.ts';
import { mountRootfs, unmountRootfs } from '#src/engine/criu/overlay.ts';
import { fillScript } from '#src/engine/criu/restore-command.ts';
import { specialise } from '#src/engine/criu/runc-state.ts';
import { openGoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import { createLocalSandboxes } from '#src/engine/sandbox/local/local-sandboxes.ts';
import type { Sandbox } from '#src/engine/sandbox/sandbox.ts';
import type { Config } from '#src/platform/config.ts';
import { type GoldenId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { ask } from '#test/contract/ask-app.ts';
import { openPlainRunc } from './plain-runc.ts';
import { openPodman } from './podman.ts';

/** Other ways to fill a container. Each answers the ms to the app's first answer. */
export interface Peers extends AsyncDisposable {
  podmanRestore(): Promise<number>;
  /** Dumped and restored by runc alone. */
  plainRuncRestore(): Promise<number>;
  /** Of our image, whose dump has our options. */
  tunedRuncRestore(): Promise<number>;
  criuRestore(): Promise<number>;
}

interface Place {
  readonly sandbox: Sandbox;
  readonly layout: InstanceLayout;
  /** Empty: only the source of what the instance sees of it. runc removes it with the container. */
  readonly cgroup: Cgroup;
}

/** One sandbox and root filesystem that the peers fill in turn: making them is not on their clock. */
export async function openPeers(config: Config, golden: GoldenId, heapMb: number): Promise<Peers> {
  const { paths, tag } = config;
  const keys = openGoldenKeys(config.goldenKeys);
  const open = await new GoldenStore({ paths, memory: createMemoryHolds(0), keys }).open(golden);
  const image = createImageStore({ ...config, directory: paths.images }).find(open.record.imageDigest);
  if (!image) throw new Error(`image ${open.record.imageDigest} is not in the store`);
  const id = newInstanceId();
  const sandboxes = createLocalSandboxes({ tag, dataDir: paths.dataDir, runDir: paths.run, hostPorts: [] });
  const cgroup = instanceCgroup({ tag, cgroupHost: detectCgroupHost() }, id);
  const place = { sandbox: await sandboxes.prepare(id), layout: instanceLayout(paths, id), cgroup };
  mkdirSync(place.layout.criu, { recursive: true });
  await mountRootfs(place.layout, [open.layout.diff, image.rootfs]);
  writeFileSync(place.layout.config, specialise(open.files.config, { id, tag, paths }));
  const plain = await openPlainRunc(config, open, image.rootfs, heapMb);
  const podman = await openPodman(join(place.layout.directory, 'podman'), image.rootfs, place.sandbox, heapMb);
  return {
    podmanRestore: () => podman.restore(),
    plainRuncRestore: () => plain.restore(),
    tunedRuncRestore: () => runcRestore(config, place, open),
    criuRestore: () => criuRestore(config, place, open),
    async [Symbol.asyncDispose]() {
      await podman[Symbol.asyncDispose]();
      await plain[Symbol.asyncDispose]();
      await removeCgroup(cgroup);
      await unmountRootfs(place.layout);
      await sandboxes.remove(id);
      rmSync(place.layout.directory, { recursive: true, force: true });
    },
  };
}

/** As CRI runtimes do: runc sets up cgroups and mounts and drives CRIU over RPC. */
async function runcRestore(config: Config, { sandbox, layout, cgroup }: Place, golden: OpenGolden): Promise<number> {
  const root = ['runc', '--root', runcRoot(config.paths)] as const;
  const env = { PATH: `${dirname(findCriu() ?? '/usr/sbin/criu')}:${process.env.PATH}` };
  makeCgroup(cgroup);
  const startedAt = performance.now();
  // A shell in between: a program whose pipes the container inherits would not be seen to end.
  const restore = [
    ...root,
    'restore',
    '--detach',
    '--bundle',
    layout.directory,
    '--image-path',
    golden.layout.image,
    '--work-path',
    layout.criu,
    sandbox.id,
  ];
  await run(['/bin/sh', '-c', 'exec "$@" </dev/null >/dev/null 2>&1', 'sh', ...restore], { timeoutMs: 60_000, env });
  await ask(sandbox, '/');
  const ms = performance.now() - startedAt;
  await run([...root, 'delete', '--force', sandbox.id], { timeoutMs: 10_000, env });
  return ms;
}

/** The least that brings the processes back: no cgroups, no monitor, no record. */
async function criuRestore(config: Config, { sandbox, layout, cgroup }: Place, golden: OpenGolden): Promise<number> {
  const script = fillScript({
    criu: findCriu() ?? 'criu',
    imageDirectory: golden.layout.image,
    workDirectory: layout.criu,
    rootfs: layout.rootfs,
    pidFile: layout.pidFile,
    netnsPath: sandbox.netnsPath,
    nullDevice: '/dev/null',
    externalMounts: externalMounts(sandbox, cgroupMounts(cgroup, config.paths)),
    descriptors: golden.record.descriptors,
    runDirectory: join(dirname(layout.directory), '..', 'run', 'criu'),
  });
  rmSync(layout.pidFile, { force: true });
  makeCgroup(cgroup);
  const startedAt = performance.now();
  await run(['/bin/sh', '-c', `exec </dev/null >/dev/null 2>&1\n${script}`], { timeoutMs: 60_000 });
  await ask(sandbox, '/');
  const ms = performance.now() - startedAt;
  process.kill(Number(readFileSync(layout.pidFile, 'utf8')), 'SIGKILL');
  return ms;
}
