import { beforeEach, describe, expect, it } from 'vitest';
import { getRestoreFailures } from '#src/goldens/failures.ts';
import { noteGolden } from '#src/goldens/note-golden.ts';
import { requireGolden } from '#src/goldens/store.ts';
import { destroyInstance } from '#src/instances/destroy-instance.ts';
import { recordExit } from '#src/instances/record-exit.ts';
import { restoreInstance } from '#src/instances/restore-instance.ts';
import { getInstance, moveInstance } from '#src/instances/store.ts';
import type { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { idle, recordClone, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
let golden: GoldenId;

beforeEach(async () => {
  golden = await takeGolden(node, 'api');
});

const stateOf = async (id: InstanceId) => (await getInstance(node.redis, id))?.state;
const failures = async () => (await getRestoreFailures(node.redis, golden)).get('n1');
const running = async () => (await node.engine.list()).map((instance) => instance.id);

async function warmClone(): Promise<InstanceId> {
  const id = await recordClone(node, golden);
  await restoreInstance(node, id, idle);
  return id;
}

describe('restoring', () => {
  it('makes a clone warm once it answers, and keeps how long each phase took', async () => {
    const instance = await getInstance(node.redis, await warmClone());
    expect(instance).toMatchObject({ state: 'warm', ports: [{ name: 'web', port: 8080, protocol: 'http' }] });
    expect(instance?.address).toBeDefined();
    expect(Object.keys(instance?.timingsMs ?? {})).toEqual(expect.arrayContaining(['queue', 'ready', 'total']));
    const port = instance?.ports[0]?.addressPort;
    expect((await fetch(`http://${instance?.address}:${port}/`)).status).toBe(200);
  });

  it('calls the hook once before the clone is warm, which tells it who it is', async () => {
    const spec = webSpec({ hooks: { afterRestore: { http: { port: 8080, path: '/hook' } } } });
    const id = await recordClone(node, await takeGolden(node, 'hooked', spec));
    await restoreInstance(node, id, idle);
    const instance = await getInstance(node.redis, id);
    expect([instance?.state, instance?.timingsMs.hook]).toEqual(['warm', expect.any(Number)]);
    const calls = await fetch(`http://${instance?.address}:${instance?.ports[0]?.addressPort}/hooks`);
    expect(await calls.json()).toMatchObject([{ body: { instance: id, clockJumpMs: expect.any(Number) } }]);
  });

  it('whose hook fails makes no clone claimable, and counts against the golden', async () => {
    const hooked = await takeGolden(node, 'hooked', webSpec({ hooks: { afterRestore: { exec: { command: ['renew'] } } } }));
    const id = await recordClone(node, hooked);
    node.engine.faults.failNext('hook', 'hook_failed');
    await expect(restoreInstance(node, id, idle)).rejects.toMatchObject({ code: 'hook_failed' });
    expect(await getInstance(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'hook_failed', class: 'template' } });
    expect((await getRestoreFailures(node.redis, hooked)).get('n1')).toMatchObject({ count: 1 });
    expect(await running()).toEqual([]);
  });

  it('from files that are intact but those of another golden is refused, and the golden is not condemned for it', async () => {
    const other = await takeGolden(node, 'other');
    await noteGolden(node.redis, golden, { digest: (await requireGolden(node.redis, other)).digest ?? '' }); // as if both had changed places
    const id = await recordClone(node, golden);
    await expect(restoreInstance(node, id, idle)).rejects.toMatchObject({ code: 'golden_missing' });
    expect(await stateOf(id)).toBe('failed');
    expect(await requireGolden(node.redis, golden)).toMatchObject({ state: 'ready' });
    expect(await running()).toEqual([]);
  });

  it('again leaves a warm clone and a claimed one as they are', async () => {
    const id = await warmClone();
    const before = await getInstance(node.redis, id);
    await restoreInstance(node, id, idle);
    expect(await getInstance(node.redis, id)).toEqual(before);
    await moveInstance(node.redis, id, { to: 'claimed' });
    await restoreInstance(node, id, idle);
    expect([await stateOf(id), await running()]).toEqual(['claimed', [id]]);
  });

  it('goes on where a run before was cut off', async () => {
    const id = await recordClone(node, golden);
    await node.engine.restore(golden, id);
    await moveInstance(node.redis, id, { to: 'preparing' });
    await restoreInstance(node, id, idle);
    expect(await stateOf(id)).toBe('warm');
  });

  it('of an instance that is gone destroys what is left of it', async () => {
    const id = await recordClone(node, golden);
    await node.engine.restore(golden, id);
    await moveInstance(node.redis, id, { to: 'failed' });
    await restoreInstance(node, id, idle);
    expect(await running()).toEqual([]);
  });

  it('of one that is released meanwhile leaves nothing behind', async () => {
    const id = await recordClone(node, golden);
    const releasing = { ...node, goldens: { ...node.goldens, cloneSpec: spyRelease(id) } };
    await restoreInstance(releasing, id, idle);
    expect([await stateOf(id), await running()]).toEqual(['destroyed', []]);
  });

  it('that fails is counted against its golden, and one that works does not yet clear the count', async () => {
    node.engine.faults.failNext('restore', 'restore_failed', 2);
    const id = await recordClone(node, golden);
    await expect(restoreInstance(node, id, idle)).rejects.toMatchObject({ code: 'restore_failed' });
    await expect(restoreInstance(node, await recordClone(node, golden), idle)).rejects.toThrow();
    expect(await getInstance(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'restore_failed', class: 'golden' } });
    expect(await failures()).toMatchObject({ count: 2, problem: { code: 'restore_failed' } });
    expect(await running()).toEqual([]);
    await warmClone();
    expect((await failures())?.count).toBe(2);
  });

  it("that fails for want of memory is not the golden's fault", async () => {
    node.engine.faults.failNext('restore', 'memory_reserve');
    const pauses: number[] = [];
    const clock = { ...node.clock, sleep: async (ms: number) => void pauses.push(ms) };
    const id = await recordClone(node, golden);
    await expect(restoreInstance({ ...node, clock }, id, idle)).rejects.toMatchObject({ code: 'memory_reserve' });
    expect(await failures()).toBeUndefined();
    expect([await stateOf(id), pauses]).toEqual(['failed', [1000]]);
  });

  it('that the worker breaks off leaves the record to the next run', async () => {
    const id = await recordClone(node, golden);
    await expect(restoreInstance(node, id, AbortSignal.abort())).rejects.toThrow();
    await restoreInstance(node, id, idle);
    expect(await stateOf(id)).toBe('warm');
  });

  function spyRelease(id: InstanceId) {
    return async (of: Parameters<typeof node.goldens.cloneSpec>[0]) => {
      await destroyInstance(node, id);
      return node.goldens.cloneSpec(of);
    };
  }
});

describe('destroying', () => {
  it('leaves nothing, and again changes nothing', async () => {
    const id = await warmClone();
    await destroyInstance(node, id);
    await destroyInstance(node, id);
    expect([await stateOf(id), await running()]).toEqual(['destroyed', []]);
  });

  it('leaves a claimed instance alone until it is released', async () => {
    const id = await warmClone();
    await moveInstance(node.redis, id, { to: 'claimed' });
    await destroyInstance(node, id);
    expect([await stateOf(id), await running()]).toEqual(['claimed', [id]]);
    await moveInstance(node.redis, id, { to: 'releasing' });
    await destroyInstance(node, id);
    expect([await stateOf(id), await running()]).toEqual(['destroyed', []]);
  });
});

describe('an instance that ends by itself', () => {
  it('fails when it was warm, with the reason, and its remains are gone', async () => {
    const id = await warmClone();
    node.engine.kill(id, 137, { oomKilled: true });
    const lost: string[] = [];
    await recordExit({ ...node, onInstanceLost: async (which) => void lost.push(which) }, { id, exitCode: 137, oomKilled: true });
    expect(await getInstance(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'clone_exited' } });
    expect((await getInstance(node.redis, id))?.problem?.message).toContain('exit code 137 after it ran out of memory');
    expect([await running(), lost]).toEqual([[], []]);
  });

  it('ends its claim as lost, also when a crash came between', async () => {
    const id = await warmClone();
    await moveInstance(node.redis, id, { to: 'claimed' });
    const exit = { id, exitCode: 1, oomKilled: false };
    const crash = async () => Promise.reject(new Error('crash'));
    await expect(recordExit({ ...node, onInstanceLost: crash }, exit)).rejects.toThrow('crash');
    const lost: unknown[] = [];
    await recordExit({ ...node, onInstanceLost: async (which, loss) => void lost.push([which, loss]) }, exit);
    const detail = expect.stringMatching(/ended by itself with exit code 1$/);
    expect(lost).toEqual([[id, { reason: 'exited', exitCode: 1, detail }]]);
    expect(await stateOf(id)).toBe('failed');
  });

  it('is left to its job while it is in the making', async () => {
    const id = await recordClone(node, golden);
    await recordExit({ ...node, onInstanceLost: async () => {} }, { id, exitCode: 1, oomKilled: false });
    expect(await stateOf(id)).toBe('restoring');
  });
});
