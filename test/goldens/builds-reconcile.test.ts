import { describe, expect, it, vi } from 'vitest';
import { buildRestMs, type GoldenBuild, type GoldenBuilds, judgeNode, noRoomRestMs, wantsBuild } from '#src/goldens/builds/build.ts';
import { buildGolden } from '#src/goldens/builds/build-golden.ts';
import { reconcileBuilds } from '#src/goldens/builds/reconcile-builds.ts';
import { buildKind, requestBuild } from '#src/goldens/builds/request-build.ts';
import { endBuild, readBuilds } from '#src/goldens/builds/store.ts';
import { deleteGolden } from '#src/goldens/delete-golden.ts';
import { finishRetired } from '#src/goldens/keep/finish-retired.ts';
import { requireGolden } from '#src/goldens/store.ts';
import { nodeClass } from '#src/nodes/compatibility.ts';
import { requireNode, writeHeartbeat } from '#src/nodes/store.ts';
import { cancelOperation } from '#src/operations/cancel-operation.ts';
import { listUnfinishedOperations, requireOperation } from '#src/operations/store.ts';
import { goldenId, type OperationId } from '#src/platform/ids.ts';
import { idle, takeGolden } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const id = goldenId('api', 1);
const old = { arch: process.arch, kernel: 'simulated', engine: 'memory' };
const upgraded = { ...old, kernel: 'new' };

async function upgrade(kernel = 'new'): Promise<void> {
  node.engine.fingerprint = { ...node.engine.fingerprint, kernel };
  const { capacity, fingerprint } = await node.engine.probe();
  const record = { name: 'n1', bootId: 'boot-2', agent: 'unix:/nowhere', fit: true, problems: [] };
  await writeHeartbeat(node.redis, { ...record, capacity, fingerprint });
}

const builds = async () => await readBuilds(node.redis, await requireGolden(node.redis, id));
const request = async () => requestBuild(node, await requireGolden(node.redis, id), await requireNode(node.redis, 'n1'));
async function underWay(): Promise<OperationId> {
  const [operation] = await listUnfinishedOperations(node.redis, buildKind);
  if (!operation) throw new Error('no build is under way');
  return operation.id;
}

describe('what a node can do with a golden', () => {
  const build = (fields: Partial<GoldenBuild>): GoldenBuild => {
    const fingerprint = fields.fingerprint ?? old;
    return {
      class: nodeClass(fingerprint),
      state: 'ready',
      node: 'n1',
      operation: 'op-0000000000000000' as OperationId,
      at: 0,
      ...fields,
      fingerprint,
    };
  };
  const first = build({});
  const second = build({ fingerprint: upgraded });
  const on = (files: Record<string, GoldenBuild>, ...known: GoldenBuild[]): GoldenBuilds => ({
    builds: known,
    files: new Map(Object.entries(files).map(([name, { class: of }]) => [name, of])),
  });
  const n1 = { name: 'n1', fingerprint: old };
  const n2 = { name: 'n2', fingerprint: upgraded };

  it.each([
    ['has it', on({ n1: first }, first), n1, { compatible: true, has: true, reasons: [] }],
    ['lacks its files', on({ n2: first }, first), n1, { compatible: true, has: false, reasons: ['its files are not there'] }],
    ['was upgraded', on({ n2: first }, first), n2, { compatible: false, has: true, reasons: ['kernel new instead of simulated'] }],
    ['has its own build', on({ n1: first, n2: second }, first, second), n2, { compatible: true, has: true, reasons: [] }],
    ['could have the build of another node', on({ n1: second, n2: first }, first, second), n2, { compatible: true, has: false }],
    ['knows a build that was replaced', on({ n1: second }, first, second), n1, { compatible: false, has: true }],
  ] as const)('it %s', (_name, found, judged, verdict) => {
    expect(judgeNode(found, judged)).toMatchObject(verdict);
  });

  it('is told of the build of its own class, not of one that failed while it was of another', () => {
    const failed = build({ fingerprint: { ...old, kernel: 'newer' }, state: 'failed' });
    const building = build({ fingerprint: upgraded, state: 'building' });
    expect(judgeNode(on({ n1: first }, first, failed, building), { ...n1, fingerprint: upgraded }).making).toBe(building);
    expect(judgeNode(on({ n1: first }, first, failed), { ...n1, fingerprint: upgraded }).making).toBeUndefined();
  });

  it('is captured there when no build fits, but not while that is under way, nor right after it failed', async () => {
    await takeGolden(node, 'api');
    const golden = await requireGolden(node.redis, id);
    const wants = (found: GoldenBuilds, now = 0) => wantsBuild(golden, found, n2, now);
    expect(wants(on({ n1: first }, first))).toBe(true);
    expect(wants(on({ n1: first, n2: second }, first, second))).toBe(false);
    expect(wants(on({ n1: first }, first, build({ ...second, node: 'n2', state: 'building' })))).toBe(false);
    const failed = on({ n1: first }, first, build({ ...second, node: 'n2', state: 'failed' }));
    expect([wants(failed), wants(failed, buildRestMs)]).toEqual([false, true]);
    const problem = { code: 'memory_reserve', class: 'capacity', message: 'no memory' } as const;
    const crowded = on({ n1: first }, first, build({ ...second, node: 'n2', state: 'failed', problem }));
    expect([wants(crowded), wants(crowded, noRoomRestMs)]).toEqual([false, true]);
    const imported = { kind: 'archive', from: '/a.tar' } as const;
    expect(wantsBuild({ ...golden, origin: imported }, on({ n1: first }, first), n2, 0)).toBe(false);
    expect(wantsBuild({ ...golden, state: 'retired' }, on({ n1: first }, first), n2, 0)).toBe(false);
  });
});

describe('a node that was upgraded', () => {
  it('asks for a build of each golden that an alias points to, also where no pool uses it, and of no other', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    await reconcileBuilds(node);
    expect(await listUnfinishedOperations(node.redis, buildKind)).toEqual([]);
    await upgrade();
    await reconcileBuilds(node);
    await reconcileBuilds(node);
    const operations = await listUnfinishedOperations(node.redis, buildKind);
    expect(operations.map(({ target }) => target)).toEqual(['api@2']);
    expect(node.asked.filter((each) => each === `build ${operations[0]?.id}`).length).toBe(2);
  });

  it('makes one build at a time', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'web');
    await upgrade();
    await reconcileBuilds(node);
    expect(await listUnfinishedOperations(node.redis, buildKind)).toHaveLength(1);
    await buildGolden(node, await underWay(), idle);
    await reconcileBuilds(node);
    expect((await listUnfinishedOperations(node.redis, buildKind)).map(({ target }) => target)).toEqual(['web@1']);
  });
});

describe('a build', () => {
  it('that is cancelled leaves nothing, and the golden and what its files were stay', async () => {
    await takeGolden(node, 'api');
    await upgrade();
    await request();
    const operation = await underWay();
    await cancelOperation(node.redis, operation);
    await buildGolden(node, operation, idle);
    const { builds: known, files } = await builds();
    expect(known.map(({ state }) => state).toSorted()).toEqual(['failed', 'ready']);
    expect(files.get('n1')).toBe(nodeClass(old));
    expect([await node.engine.hasGolden(id), await node.engine.list()]).toEqual([true, []]);
  });

  it('whose clones fail leaves no files that nobody has proven', async () => {
    await takeGolden(node, 'api');
    await upgrade();
    await request();
    const operation = await underWay();
    node.engine.faults.failNext('restore', 'restore_failed', 1);
    await buildGolden(node, operation, idle);
    expect((await requireOperation(node.redis, operation)).problem).toMatchObject({ code: 'restore_failed' });
    expect((await builds()).files.size).toBe(0);
    expect([await node.engine.hasGolden(id), await node.engine.list()]).toEqual([false, []]);
    expect((await requireGolden(node.redis, id)).state).toBe('ready');
  });

  it('whose job runs again after its end changes nothing', async () => {
    await takeGolden(node, 'api');
    await upgrade();
    await request();
    const operation = await underWay();
    await buildGolden(node, operation, idle);
    const before = await builds();
    await buildGolden(node, operation, idle);
    expect(await builds()).toEqual(before);
    expect(await node.engine.hasGolden(id)).toBe(true);
  });

  it('that was ready when its worker was killed is not captured once more', async () => {
    await takeGolden(node, 'api');
    await upgrade();
    await request();
    const operation = await underWay();
    await buildGolden(node, operation, idle);
    const before = await builds();
    const { result } = await requireOperation(node.redis, operation);
    const record = `{thaw}:operation:${operation}`;
    await node.redis.hset(record, 'state', 'running');
    await node.redis.hdel(record, 'result');
    await buildGolden(node, operation, idle);
    expect(await requireOperation(node.redis, operation)).toMatchObject({ state: 'succeeded', result });
    expect(await builds()).toEqual(before);
  });

  it('that begins after reconciling took it for lost says so, and touches nothing', async () => {
    await takeGolden(node, 'api');
    await upgrade();
    await request();
    const operation = await underWay();
    const lost = (await builds()).builds.find(({ state }) => state === 'building');
    if (!lost) throw new Error('no build is recorded');
    await endBuild(node.redis, id, lost, 'failed');
    const before = await builds();
    await buildGolden(node, operation, idle);
    expect((await requireOperation(node.redis, operation)).problem).toMatchObject({ code: 'cancelled', fix: expect.any(String) });
    expect(await builds()).toEqual(before);
    expect([await node.engine.hasGolden(id), await node.engine.list()]).toEqual([true, []]);
  });

  it('is not disturbed when the job of one that failed before runs again', async () => {
    await takeGolden(node, 'api');
    await upgrade();
    await request();
    const earlier = await underWay();
    node.engine.faults.failNext('restore', 'restore_failed', 1);
    await buildGolden(node, earlier, idle);
    const failed = (await builds()).builds.find(({ state }) => state === 'failed');
    await node.redis.hset(`{thaw}:golden-builds:${id}`, `build:${failed?.class}`, JSON.stringify({ ...failed, at: 0 }));
    await request();
    const operation = await underWay();
    node.engine.timings.restoreMs = 300;
    const running = buildGolden(node, operation, idle);
    await vi.waitFor(async () => expect(await node.engine.hasGolden(id)).toBe(true));
    await buildGolden(node, earlier, idle);
    expect(await node.redis.hlen('{thaw}:builds-under-way')).toBe(1);
    await running;
    expect((await requireOperation(node.redis, operation)).state).toBe('succeeded');
    expect(await node.engine.hasGolden(id)).toBe(true);
  });

  it('of a node that changes once more meanwhile is given up, and another one asked for', async () => {
    await takeGolden(node, 'api');
    await upgrade();
    await request();
    const operation = await underWay();
    await upgrade('newer');
    await buildGolden(node, operation, idle);
    expect((await requireOperation(node.redis, operation)).problem).toMatchObject({ code: 'golden_incompatible' });
    await reconcileBuilds(node);
    await buildGolden(node, await underWay(), idle);
    const { builds: known, files } = await builds();
    expect(known.find((each) => each.class === files.get('n1'))?.fingerprint?.kernel).toBe('newer');
  });

  it('of a golden that is deleted meanwhile is not kept', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    await upgrade();
    await request();
    const operation = await underWay();
    await deleteGolden(node, id);
    await buildGolden(node, operation, idle);
    expect((await requireOperation(node.redis, operation)).state).toBe('failed');
    await finishRetired(node);
    expect((await requireGolden(node.redis, id)).state).toBe('deleted');
    expect(await node.redis.keys('{thaw}:golden-builds:*')).toEqual([]);
    expect(await node.redis.hlen('{thaw}:builds-under-way')).toBe(0);
  });
});
