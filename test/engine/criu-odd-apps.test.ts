import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { detectCgroupHost } from '#src/engine/criu/cgroup-host.ts';
import { readProcesses } from '#src/engine/criu/cgroups.ts';
import { instanceCgroup } from '#src/engine/criu/engine-deps.ts';
import { isThawError } from '#src/platform/errors.ts';
import { goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { askState, waitUntilReady } from '#test/contract/ask-app.ts';
import { newBinding } from '#test/contract/new-binding.ts';
import { testWorkload } from '#test/support/test-image.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

/** Apps that do what hardly anyone does, and a node that is short of room: the real engine copes, or says whose fault it is. */
describe('the criu engine', () => {
  const node = useCriuNode();
  const { startReady } = node;
  let goldens = 0;

  /** An app that runs some Perl before it serves. */
  function startAfter(perl: string) {
    return startReady({ command: ['/bin/sh', '-c', 'perl -e "$1" && exec perl /srv/test-app.pl', 'sh', perl] });
  }

  async function takeGolden(primer: InstanceId) {
    const golden = goldenId('odd', ++goldens);
    await node.engine.checkpoint(primer, golden);
    return golden;
  }

  async function cloneOf(golden: ReturnType<typeof goldenId>) {
    const id = newInstanceId();
    const clone = { ...(await node.engine.restore(golden, id)), id };
    await waitUntilReady(clone);
    return clone;
  }

  function exec(id: InstanceId, ...command: string[]) {
    return node.engine.exec(id, command, { timeoutMs: 10_000 });
  }

  function expectNoFiles(golden: ReturnType<typeof goldenId>): void {
    const directory = join(node.config.paths.goldens, golden.replace('@', '/'));
    for (const path of [directory, `${directory}.partial`]) expect(existsSync(path), path).toBe(false);
    expect(readdirSync(node.config.paths.instances)).toEqual([]);
  }

  /** Directories in each other, their names of 240 bytes: 17 are deeper than any path may be. */
  const step = 'chdir "d" x 240';
  const levels = (count: number) => `mkdir "/tmp/deep"; chdir "/tmp/deep"; for (1 .. ${count}) { mkdir "d" x 240 or die; ${step} or die }`;

  it('seals a tree that is deeper than the longest path, clones it, finds what changes at its bottom, and removes it', async () => {
    const golden = await takeGolden((await startAfter(`${levels(100)} open my $file, ">", "bottom"; print $file "tea"`)).id);
    const clone = await cloneOf(golden);
    const down = (directory: string) => `chdir "${directory}"; ${step} for 1 .. 100;`;
    const { stdout } = await exec(clone.id, 'perl', '-e', `${down('/tmp/deep')} open my $file, "<", "bottom"; print <$file>`);
    expect(stdout).toBe('tea');
    await node.engine.verifyGolden(golden);
    await node.engine.destroy(clone.id);
    const diff = join(node.config.paths.goldens, golden.replace('@', '/'), 'diff/tmp/deep');
    await run(['perl', '-e', `${down(diff)} open my $file, ">", "bottom"; print $file "pea"`], { timeoutMs: 10_000 });
    await expect(node.engine.verifyGolden(golden)).rejects.toMatchObject({
      code: 'golden_corrupt',
      message: expect.stringContaining('d/bottom has changed'),
    });
    await node.engine.removeGolden(golden);
    expectNoFiles(golden);
  });

  it('seals names of 255 bytes, with newlines, and that are no text', async () => {
    const names = String.raw`chdir "/tmp"; for ("n" x 255, "two\nlines", "\xff\xfe", "\xe2\x82") { open my $file, ">", $_ or die; print $file $_ }`;
    const golden = await takeGolden((await startAfter(names)).id);
    await node.engine.verifyGolden(golden);
    const listed = String.raw`chdir "/tmp"; opendir my $dir, "."; print join ",", sort map { unpack "H*", $_ } grep { !/^\./ && -s } readdir $dir`;
    const { stdout } = await exec((await cloneOf(golden)).id, 'perl', '-e', listed);
    expect(stdout.split(',')).toEqual(['6e'.repeat(255), '74776f0a6c696e6573', 'e282', 'fffe'].sort());
  });

  it('refuses more names than a manifest holds as the fault of the app, by a path, and leaves nothing of it', async () => {
    const primer = await startAfter(levels(1600));
    const golden = goldenId('odd', ++goldens);
    await expect(node.engine.checkpoint(primer.id, golden)).rejects.toMatchObject({
      code: 'checkpoint_unsupported',
      class: 'template',
      message: expect.stringMatching(/the last is \/tmp\/deep\/d{240}\/.*… \(\d{6} bytes\)/),
    });
    await node.engine.destroy(primer.id);
    expect(await node.engine.listGoldens()).not.toContain(golden);
    expectNoFiles(golden);
  });

  it('destroys an instance that made such a tree', async () => {
    const { id } = await startAfter(levels(1600));
    await node.engine.destroy(id);
    expect(readdirSync(node.config.paths.instances)).toEqual([]);
  });

  it('tells a full tmpfs of its own as want of capacity, leaves nothing of the attempt, and goes on once there is room', async () => {
    const golden = await takeGolden((await startReady()).id);
    const clone = await cloneOf(golden);
    const filler = join(node.config.paths.run, 'filler');
    await run(['sh', '-c', 'cat /dev/zero > "$1" 2>/dev/null; true', 'sh', filler], { timeoutMs: 30_000 });
    const isFull = { code: 'disk_reserve', class: 'capacity' };
    try {
      await expect(node.engine.restore(golden, newInstanceId())).rejects.toMatchObject(isFull);
      await expect(node.engine.prime(golden, newInstanceId())).rejects.toMatchObject(isFull);
      await expect(node.engine.start(testWorkload(node.image), newInstanceId())).rejects.toMatchObject(isFull);
      await expect(node.engine.bind(clone.id, newBinding())).rejects.toMatchObject(isFull);
      expect((await node.engine.list()).map(({ id }) => id)).toEqual([clone.id]);
    } finally {
      rmSync(filler);
    }
    await node.engine.bind(clone.id, newBinding());
    expect((await askState(await cloneOf(golden))).binding).toBeNull();
  });

  describe('exec', () => {
    /** Ignores SIGTERM, and so do its children: one beside it, one that left its session and its parent. */
    const stubborn = 'trap "" TERM; sleep 60 & (setsid sleep 60 &); while true; do sleep 1; done';

    it('that exceeds its deadline or is aborted leaves no process inside, whatever it started', async () => {
      const { id } = await startReady();
      const before = await pids(id);
      for (const signal of [new AbortController().signal, AbortSignal.timeout(400)]) {
        const late = await node.engine.exec(id, ['sh', '-c', stubborn], { timeoutMs: 800, signal }).catch((error: unknown) => error);
        expect(isThawError(late, 'subprocess_failed') || signal.aborted).toBe(true);
        expect(await pids(id)).toEqual(before);
      }
      expect(execGroups(id)).toEqual([]);
    });

    it('many times too late piles nothing up', async () => {
      const { id } = await startReady();
      const tries = Array.from({ length: 6 }, () => node.engine.exec(id, ['sh', '-c', stubborn], { timeoutMs: 700 }));
      for (const { status } of await Promise.allSettled(tries)) expect(status).toBe('rejected');
      expect(await pids(id)).toHaveLength(1);
    });

    it('that ends by itself leaves running what it started, in the instance’s own group', async () => {
      const { id } = await startReady();
      const { exitCode } = await node.engine.exec(id, ['sh', '-c', 'sleep 60 > /dev/null 2>&1 &'], { timeoutMs: 5000 });
      expect(exitCode).toBe(0);
      expect(await pids(id)).toHaveLength(2);
      expect(execGroups(id)).toEqual([]);
    });
  });

  it('lets the kernel merge the memory of a clone only where its template shares it', async () => {
    for (const shareMemory of [true, false]) {
      const primer = await startReady({ shareMemory });
      const [before] = await pids(primer.id);
      const [after] = await pids((await cloneOf(await takeGolden(primer.id))).id);
      expect(after).not.toBe(before);
      expect(mergesMemory(after)).toBe(shareMemory);
    }
  });

  function groupOf(id: InstanceId) {
    return instanceCgroup({ tag: node.config.tag, cgroupHost: detectCgroupHost() }, id);
  }

  async function pids(id: InstanceId): Promise<number[]> {
    return readProcesses(groupOf(id));
  }

  function execGroups(id: InstanceId): string[] {
    const { host, path } = groupOf(id);
    return host.hierarchies.flatMap(({ mount }) => readdirSync(mount + path).filter((name) => name.startsWith('exec-')));
  }
});

/** PR_SET_MEMORY_MERGE marks every private area of a process. `ksm_stat` says so in a word, but on kernels before 6.13 says nothing of it. */
function mergesMemory(pid: number | undefined): boolean {
  return /^VmFlags:.* mg\b/m.test(readFileSync(`/proc/${pid}/smaps`, 'utf8'));
}
