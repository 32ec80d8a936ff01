import { existsSync, readdirSync, statSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { ask, waitUntilReady } from '#test/contract/ask-app.ts';
import { watchExits } from '#test/contract/watch-exits.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

/** What only the real engine can show: isolation as the app sees it, and what CRIU does with apps that are not easy. */
describe('the criu engine', () => {
  const node = useCriuNode();
  const { startReady } = node;
  let goldens = 0;

  async function cloneOf(primer: InstanceId) {
    const golden = goldenId('node', ++goldens);
    await node.engine.checkpoint(primer, golden);
    const id = newInstanceId();
    const clone = { ...(await node.engine.restore(golden, id)), id };
    await waitUntilReady(clone);
    return clone;
  }

  it('a primer and its clone have only the capabilities of the profile, seccomp, no new privileges and a cgroup namespace of their own', async () => {
    const primer = await startReady();
    const before = await ask(primer, '/status');
    const after = await ask(await cloneOf(primer.id), '/status');
    for (const status of [before, after]) {
      expect(status).toMatch(/^CapEff:\t00000000800405fb$/m); // chown … setfcap of podman's default set: no NET_RAW, MKNOD, SYS_ADMIN
      expect(status).toMatch(/^CapBnd:\t00000000800405fb$/m);
      expect(status).toMatch(/^Seccomp:\t2$/m);
      expect(status).toMatch(/^NoNewPrivs:\t1$/m);
      expect(status.split('\n').filter((line) => /^\d+:.*:/.test(line))).not.toEqual([]);
      expect(status).not.toMatch(/^\d+:.*:\/.*thaw-/m);
    }
  });

  it('an app of a user of its own is dumped and restored as that user, without capabilities', async () => {
    const primer = await startReady({ user: 'app' });
    const status = await ask(await cloneOf(primer.id), '/status');
    expect(status).toMatch(/^Uid:\t1000\t1000\t1000\t1000$/m);
    expect(status).toMatch(/^CapEff:\t0000000000000000$/m);
  });

  it('exec in a clone has its limits: capabilities, seccomp and cgroup', async () => {
    const clone = await cloneOf((await startReady()).id);
    const { stdout } = await node.engine.exec(clone.id, ['cat', '/proc/self/status', '/proc/self/cgroup'], { timeoutMs: 5000 });
    expect(stdout).toMatch(/^CapEff:\t00000000800405fb$/m);
    expect(stdout).toMatch(/^Seccomp:\t2$/m);
    expect(stdout).not.toMatch(/thaw-/);
  });

  it('a primer and its clone read their own limits and can not change them', async () => {
    const primer = await startReady({ resources: { memoryBytes: 96 * 1024 * 1024, cpus: 1, pids: 512 } });
    const script = 'cd /sys/fs/cgroup; cat memory.max memory/memory.limit_in_bytes 2>/dev/null; echo 1 > memory.max; echo 1 > memory/tasks';
    const look = (id: InstanceId) => node.engine.exec(id, ['sh', '-c', script], { timeoutMs: 5000 });
    const before = await look(primer.id);
    const after = await look((await cloneOf(primer.id)).id);
    for (const { stdout, stderr } of [before, after]) {
      expect(stdout.trim()).toBe(String(96 * 1024 * 1024));
      expect(stderr).toContain('Read-only file system');
    }
  });

  it('an app that holds what CRIU can not dump is refused in words, goes on running and leaves no golden', async () => {
    // A deleted file that is still open and larger than our ghost-limit of 64 MB.
    const hold = 'exec 9>/tmp/big && head -c 80000000 /dev/zero >&9 && rm /tmp/big && exec perl /srv/test-app.pl';
    const primer = await startReady({ command: ['/bin/sh', '-c', hold] });
    const golden = goldenId('undumpable', 1);
    await expect(node.engine.checkpoint(primer.id, golden)).rejects.toMatchObject({
      code: 'checkpoint_unsupported',
      class: 'template',
      message: expect.stringContaining('deleted file'),
    });
    expect(await node.engine.hasGolden(golden)).toBe(false);
    expect((await node.engine.list()).map(({ state }) => state)).toEqual(['running']);
    expect(readdirSync(node.config.paths.logs).some((name) => name.startsWith('dump-'))).toBe(true);
    expect(await ask(primer, '/')).toContain('token');
  });

  it('a restore beyond the memory reserve is refused before anything is made', async () => {
    const primer = await startReady();
    const golden = goldenId('node', ++goldens);
    await node.engine.checkpoint(primer.id, golden);
    await node.reopen({ THAW_MEMORY_RESERVE_MB: '1000000' });
    try {
      await expect(node.engine.restore(golden, newInstanceId())).rejects.toMatchObject({ code: 'memory_reserve', class: 'capacity' });
      expect(await node.engine.list()).toEqual([]);
    } finally {
      await node.reopen();
    }
  });

  it('when the disk reserve is being used up, the instance that wrote most is ended and the others are not', async () => {
    const [modest, greedy] = [await startReady(), await startReady()];
    await node.engine.exec(greedy.id, ['sh', '-c', 'head -c 80000000 /dev/zero > /tmp/much'], { timeoutMs: 10_000 });
    await node.reopen({ THAW_DISK_RESERVE_MB: '900000000' }); // more than any disk has: half of it is gone
    try {
      using exits = watchExits(node.engine);
      await vi.waitFor(() => expect(exits.seen.length).toBeGreaterThan(0), { timeout: 5000, interval: 10 });
      expect(exits.seen[0]).toMatchObject({ id: greedy.id, exitCode: 137, evicted: expect.stringMatching(/had written \d+ MB/) });
    } finally {
      await node.reopen();
    }
    expect(modest.id).not.toBe(greedy.id);
  });

  it('an instance can put nothing where the host writes: /run/thaw and its other files are read-only inside', async () => {
    const clone = await cloneOf((await startReady()).id);
    const script =
      'ln -s /etc/passwd /run/thaw/binding.json.new; mkfifo /run/thaw/binding.json; echo 1 > /etc/hosts; echo 1 > /etc/machine-id';
    const { stderr } = await node.engine.exec(clone.id, ['sh', '-c', script], { timeoutMs: 5000 });
    expect(stderr.match(/Read-only file system/g)).toHaveLength(4);
  });

  it('an instance makes no namespaces, and what it does to a masked path stays inside', async () => {
    const clone = await cloneOf((await startReady()).id);
    const script = 'unshare -r true; unshare -m true; mount -t tmpfs x /mnt; chmod 600 /proc/keys; echo ended';
    const { stdout, stderr } = await node.engine.exec(clone.id, ['sh', '-c', script], { timeoutMs: 5000 });
    expect(stdout).toBe('ended\n');
    expect(stderr.match(/Operation not permitted|Permission denied|not permitted/gi)?.length).toBeGreaterThanOrEqual(3);
    expect(statSync('/dev/null').mode & 0o777).toBe(0o666);
  });

  it('device nodes that an image brings open nothing: the root is mounted without devices', async () => {
    const primer = await startReady();
    const look = (id: InstanceId) => node.engine.exec(id, ['grep', ' / overlay ', '/proc/mounts'], { timeoutMs: 5000 });
    const before = await look(primer.id);
    const after = await look((await cloneOf(primer.id)).id);
    for (const { stdout } of [before, after]) expect(stdout).toMatch(/\bnodev\b/);
  });

  it('a destroyed instance leaves no file', async () => {
    const clone = await cloneOf((await startReady()).id);
    await node.engine.destroy(clone.id);
    expect(readdirSync(node.config.paths.instances)).toEqual([]);
    expect(existsSync(`${node.config.paths.run}/runc/${clone.id}`)).toBe(false);
  });
});
