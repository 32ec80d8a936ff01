import { copyFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { imageNameFor } from '#src/engine/criu/archives/podman-dump.ts';
import type { RunPhase } from '#src/engine/engine.ts';
import type { GoldenPlace } from '#src/engine/golden-place.ts';
import { findProgram } from '#src/platform/find-program.ts';
import { type GoldenId, goldenId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { askState, waitUntilReady } from '#test/contract/ask-app.ts';
import { made } from '#test/support/made.ts';
import { testWorkload } from '#test/support/test-image.ts';
import { podmanMissing, startTestPodman, type TestPodman } from '#test/support/test-podman.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

const phase: RunPhase = (_name, work) => work(new AbortController().signal);
const app = ['/usr/bin/perl', '/srv/test-app.pl'];
const appChanges = 'echo kept > /srv/made && rm /bin/ls && mkdir -p /var/tmp/a/b && echo deep > /var/tmp/a/b/c';

/** skipped: why — setup.sh --test brings podman and netavark where Debian has them. */
describe.skipIf(podmanMissing)('archives and podman', () => {
  const node = useCriuNode();
  let engine: TestPodman | undefined;
  let goldens = 0;

  beforeAll(async () => {
    engine = await startTestPodman();
    await engine.podman('import', '--quiet', await packImage(), 'localhost/app:1');
  });
  afterAll(() => engine?.[Symbol.asyncDispose]());

  async function packImage(): Promise<string> {
    const file = join(made(engine).directory, 'image.tar');
    await run(['tar', '--create', '--file', file, '--directory', node.image.slice('dir:'.length), '.'], { timeoutMs: 30_000 });
    return file;
  }

  function placeOf(name: string): GoldenPlace {
    const path = join(dirname(node.image.slice('dir:'.length)), name);
    return { kind: 'archive', text: `archive:${path}`, path };
  }

  /** Of a container of podman's, brought where the node may read it. */
  async function checkpoint(container: string): Promise<GoldenPlace> {
    const { podman, directory } = made(engine);
    const exported = join(directory, `${container}.tar.zst`);
    await podman('container', 'checkpoint', '--export', exported, container);
    const place = placeOf(`${container}.tar.zst`);
    await copyFile(exported, place.kind === 'archive' ? place.path : '');
    return place;
  }

  async function importFrom(place: GoldenPlace): Promise<GoldenId> {
    const golden = goldenId('podman', ++goldens);
    await node.engine.importGolden(testWorkload(node.image), golden, place, phase);
    return golden;
  }

  it('podman restores our export, which answers with the state it had: in memory, in files, and without what was deleted', async () => {
    const { podman, get } = made(engine);
    const primer = await node.startReady();
    await node.engine.exec(primer.id, ['sh', '-c', appChanges], { timeoutMs: 5000 });
    const before = await askState(primer);
    const golden = goldenId('ours', 1);
    const { imageDigest = '' } = await node.engine.checkpoint(primer.id, golden);
    const place = placeOf('ours.tar');
    await node.engine.exportGolden(golden, place, { overwrite: false, plain: false }, phase);
    await podman('tag', 'localhost/app:1', imageNameFor(node.image, imageDigest));
    await podman('container', 'restore', '--import', place.kind === 'archive' ? place.path : '');
    const after = JSON.parse(await get('thaw-ours-1', '/'));
    expect(after).toMatchObject({ token: before.token, counter: before.counter + 1, binding: null });
    expect(after.machineId).toMatch(/^[0-9a-f]{32}$/);
    const look = 'cat /srv/made /var/tmp/a/b/c; test -e /bin/ls || echo no ls; test -d /run/thaw && echo /run/thaw';
    expect(await podman('exec', 'thaw-ours-1', 'sh', '-c', look)).toBe('kept\ndeep\nno ls\n/run/thaw');
    await podman('rm', '--force', '--time', '0', 'thaw-ours-1');
  });

  it('connections that were established are closed in our export too: podman, which can not be told to, restores it', async () => {
    const { podman, get } = made(engine);
    const pair =
      '(sleep 900 | nc -l -p 9000 >/dev/null) & (sleep 1; sleep 900 | nc 127.0.0.1 9000 >/dev/null) & exec perl /srv/test-app.pl';
    const primer = await node.startReady({ command: ['/bin/sh', '-c', pair] });
    const look = () => node.engine.exec(primer.id, ['sh', '-c', 'grep -c " 01 " /proc/net/tcp6'], { timeoutMs: 5000 });
    await vi.waitFor(async () => expect((await look()).stdout).toMatch(/^[1-9]/), { timeout: 10_000, interval: 100 });
    const { token } = await askState(primer);
    const golden = goldenId('talking', 1);
    await node.engine.checkpoint(primer.id, golden);
    const place = placeOf('talking.tar');
    await node.engine.exportGolden(golden, place, { overwrite: false, plain: false }, phase);
    await podman('container', 'restore', '--import', place.kind === 'archive' ? place.path : '');
    const { stdout } = await run(['tar', '--list', '--file', place.kind === 'archive' ? place.path : ''], { timeoutMs: 10_000 });
    expect(stdout).toContain('thaw/image/files.img'); // as it was, for an import of ours
    expect(JSON.parse(await get('thaw-talking-1', '/'))).toMatchObject({ token });
    await podman('rm', '--force', '--time', '0', 'thaw-talking-1');
  });

  it("a clone of podman's export goes on where podman stopped it, is bound like any other, and has no more rights", async () => {
    const { podman, get } = made(engine);
    await podman('run', '--detach', '--name', 'theirs', 'localhost/app:1', ...app);
    await podman('exec', 'theirs', 'sh', '-c', `${appChanges} && echo shared > /dev/shm/x`);
    const { token } = JSON.parse(await get('theirs', '/'));
    const golden = await importFrom(await checkpoint('theirs'));
    const id = newInstanceId();
    const clone = await node.engine.restore(golden, id);
    await waitUntilReady(clone);
    expect(await askState(clone)).toMatchObject({ token, hostname: id });
    const binding = { claim: 'clm-1', tenant: 'acme', expiresAt: new Date().toISOString(), env: {}, secrets: {}, labels: {} };
    await node.engine.bind(id, binding);
    expect((await askState(clone)).binding).toMatchObject({ claim: 'clm-1', tenant: 'acme' });
    const script =
      'cat /srv/made /var/tmp/a/b/c /dev/shm/x; test -e /bin/ls || echo no ls; stat -c %a /tmp; grep -e CapBnd -e NoNew /proc/1/status';
    const { stdout } = await node.engine.exec(id, ['sh', '-c', script], { timeoutMs: 5000 });
    expect(stdout).toBe('kept\ndeep\nshared\nno ls\n1777\nCapBnd:\t00000000800405fb\nNoNewPrivs:\t1\n');
    const mounts = await node.engine.exec(id, ['grep', '-e', ' / ', '-e', ' /etc/hosts ', '/proc/mounts'], { timeoutMs: 5000 });
    expect(mounts.stdout).toMatch(/^thaw \/ overlay rw,nodev,/m);
    expect(mounts.stdout).toMatch(/^thaw-run \/etc\/hosts tmpfs ro,nosuid,nodev,noexec,/m);
  });

  it('a container without a network gets the one of clones', async () => {
    const { podman } = made(engine);
    await podman('run', '--detach', '--name', 'alone', '--network', 'none', 'localhost/app:1', ...app);
    const clone = await node.engine.restore(await importFrom(await checkpoint('alone')), newInstanceId());
    await waitUntilReady(clone);
  });

  it.each([
    ['a volume', ['--volume', 'data:/data'], 'volume at /data'],
    ['a directory of its host', ['--volume', '/srv:/data'], 'a mount at /data that its host bound there'],
    ['no seccomp filter', ['--security-opt', 'seccomp=unconfined'], 'without a seccomp filter'],
    ['the network of its host', ['--network', 'host'], 'shares the network namespace'],
  ])('one with %s is refused, and no golden is made of it', async (_what, options, said) => {
    const { podman } = made(engine);
    const name = `refused-${++goldens}`;
    await podman('run', '--detach', '--name', name, ...options, 'localhost/app:1', '/bin/sleep', '1000');
    await expect(importFrom(await checkpoint(name))).rejects.toMatchObject({
      code: 'archive_unsupported',
      message: expect.stringContaining(said),
      fix: expect.stringMatching(/^Run it /),
    });
    expect(await node.engine.hasGolden(goldenId('podman', goldens))).toBe(false);
    expect(await node.engine.list()).toEqual([]);
  });

  // Debian 13 and later have it; skipped: why — it is not installed here.
  it.skipIf(!findProgram('checkpointctl'))('checkpointctl shows and inspects our export', async () => {
    const place = placeOf('ours.tar');
    const file = place.kind === 'archive' ? place.path : '';
    expect((await run(['checkpointctl', 'show', file], { timeoutMs: 20_000 })).stdout).toMatch(/thaw-ours-1 .* Podman /);
    expect((await run(['checkpointctl', 'inspect', '--all', file], { timeoutMs: 20_000 })).stdout).toMatch(/LISTEN.*8080/);
  });
});
