import { describe, expect, it } from 'vitest';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requestVerify } from '#src/goldens/request-verify.ts';
import { requireGolden, resolveGolden } from '#src/goldens/store.ts';
import { requireNoRegression } from '#src/goldens/verify/require-no-regression.ts';
import { runVerify } from '#src/goldens/verify-golden.ts';
import { restoreInstance } from '#src/instances/restore-instance.ts';
import { getInstance } from '#src/instances/store.ts';
import { writeHeartbeat } from '#src/nodes/store.ts';
import { getOperation } from '#src/operations/store.ts';
import { goldenId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { VerifyPolicy } from '#src/templates/verify-policy.ts';
import { idle, recordClone, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const first = goldenId('api', 1);
const second = goldenId('api', 2);
const megabyte = 1024 * 1024;
const anyClone = { restoreMs: expect.any(Number), readyMs: expect.any(Number), memoryBytes: 8 * megabyte };

/** What the operation ended with. */
async function capture(changes: Record<string, unknown> = {}) {
  await putTemplate(node.redis, 'api', webSpec(changes), undefined);
  const { id } = await requestCapture(node, 'api', { promote: true });
  await captureGolden(node, id, idle);
  return getOperation(node.redis, id);
}

async function verify(golden = first) {
  const { id } = await requestVerify(node, golden);
  await runVerify(node, id, idle);
  return getOperation(node.redis, id);
}

async function upgradeNode(): Promise<void> {
  node.engine.fingerprint = { ...node.engine.fingerprint, kernel: 'new' };
  const { capacity, fingerprint } = await node.engine.probe();
  const record = { name: 'n1', bootId: 'boot-2', agent: 'unix:/nowhere', fit: true, problems: [] };
  await writeHeartbeat(node.redis, { ...record, capacity, fingerprint });
}

describe('the evidence of a golden', () => {
  it('tells what two clones took, and nothing of what was not asked', async () => {
    await capture();
    const { evidence } = await requireGolden(node.redis, first);
    expect(evidence).toEqual({ verifiedAt: expect.any(Number), node: 'n1', clones: [anyClone, anyClone] });
  });

  it('tells the hook, that the clones differ, the smoke test, and the golden that it was compared with', async () => {
    await capture();
    await capture({
      hooks: { afterRestore: { http: { port: 8080, path: '/hook' } } },
      unique: { http: { port: 8080, path: '/id' } },
      verify: { smoke: { http: { port: 8080, path: '/print?text=smoke', status: 200 } } },
    });
    expect((await requireGolden(node.redis, second)).evidence).toMatchObject({
      clones: [{ hookMs: expect.any(Number) }, { hookMs: expect.any(Number) }],
      comparedWith: { golden: first, restoreMs: expect.any(Number), memoryBytes: 8 * megabyte },
      unique: true,
      smoke: { tookMs: expect.any(Number) },
    });
    expect(await node.engine.list()).toEqual([]);
  });

  it('is renewed by a verify', async () => {
    await capture();
    await node.redis.hdel(`{thaw}:golden:${first}`, 'evidence');
    expect(await verify()).toMatchObject({ state: 'succeeded', result: { golden: first, memoryBytes: 8 * megabyte } });
    expect((await requireGolden(node.redis, first)).evidence?.clones).toEqual([anyClone, anyClone]);
  });

  it('says so when a ready golden fails a verify, which stays what it is', async () => {
    await capture();
    node.engine.faults.failNext('restore', 'restore_failed');
    expect(await verify()).toMatchObject({ state: 'failed', problem: { code: 'restore_failed' } });
    const golden = await requireGolden(node.redis, first);
    expect(golden).toMatchObject({ state: 'ready', evidence: { clones: [], problem: { code: 'restore_failed' } } });
    expect((await resolveGolden(node.redis, 'api', 'stable')).id).toBe(first);
  });

  it('stays as it was when a verify found no memory for its clones', async () => {
    await capture();
    const { evidence } = await requireGolden(node.redis, first);
    node.engine.faults.failNext('restore', 'memory_reserve');
    const clock = { ...node.clock, sleep: async () => {} };
    const { id } = await requestVerify(node, first);
    await runVerify({ ...node, clock }, id, idle);
    expect(await getOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'memory_reserve' } });
    expect((await requireGolden(node.redis, first)).evidence).toEqual(evidence);
  });
});

it('a verify that was asked for before the node was changed says nothing of the golden', async () => {
  await capture();
  const { evidence } = await requireGolden(node.redis, first);
  const { id } = await requestVerify(node, first);
  await upgradeNode();
  node.engine.faults.corruptGolden(first); // as files are that give way to those of a build
  await runVerify(node, id, idle);
  expect(await getOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'golden_incompatible' } });
  expect(await requireGolden(node.redis, first)).toMatchObject({ state: 'ready', evidence });
});

describe('a golden that is not fit', () => {
  const smoke = (test: Record<string, unknown>) => ({ verify: { smoke: test } });
  const ready = { http: { port: 8080, path: '/' }, timeoutMs: 200, intervalMs: 5 };

  it.each([
    ['two clones answer one cached id', { env: { APP_SAME_ID: '1' }, unique: { http: { port: 8080, path: '/id' } } }, 'not_unique'],
    ['its hook after the restore fails', { hooks: { afterRestore: { exec: { command: ['false'] } } } }, 'hook_failed'],
    ['its smoke request is answered otherwise', smoke({ http: { port: 8080, path: '/hook' } }), 'smoke_failed'],
    ['its smoke request is answered with another status', smoke({ http: { port: 8080, path: '/', status: 204 } }), 'smoke_failed'],
    ['its smoke request meets nobody', smoke({ http: { port: 9, path: '/' } }), 'smoke_failed'],
    ['its smoke command fails', smoke({ exec: { command: ['false'] } }), 'smoke_failed'],
    ['its smoke command takes too long', smoke({ exec: { command: ['sleep', '5'] }, timeoutMs: 10 }), 'smoke_failed'],
    ['a clone ends by itself once it was ready', smoke({ http: { port: 8080, path: '/exit?code=3' } }), 'clone_exited'],
    ['a clone takes far longer', { env: { THAW_SIMULATE_RESTORE_MS: '800' } }, 'golden_regressed'],
    ['a clone takes far more memory', { ready, warmup: [{ http: { port: 8080, path: '/alloc?mb=100' } }] }, 'golden_regressed'],
  ])('because %s is refused with the reason, and what `stable` points to serves on', async (_why, changes, code) => {
    await capture();
    expect(await capture(changes)).toMatchObject({ state: 'failed', problem: { code } });
    expect(await requireGolden(node.redis, second)).toMatchObject({ state: 'failed', problem: { code }, evidence: { problem: { code } } });
    expect(await node.engine.list()).toEqual([]);
    expect(await node.engine.listGoldens()).toEqual([first]);
    expect((await resolveGolden(node.redis, 'api', 'stable')).id).toBe(first);
    const clone = await recordClone(node, first);
    await restoreInstance(node, clone, idle);
    expect((await getInstance(node.redis, clone))?.state).toBe('warm');
  });

  it('is accepted once its hook after the restore makes the cached id anew', async () => {
    const afterRestore = { http: { port: 8080, path: '/hook?reseed=1' } };
    const changes = { env: { APP_SAME_ID: '1' }, unique: { http: { port: 8080, path: '/id' } }, hooks: { afterRestore } };
    expect(await capture(changes)).toMatchObject({ state: 'succeeded' });
    expect((await requireGolden(node.redis, first)).evidence?.unique).toBe(true);
  });

  it('for being slower or larger is accepted once the template allows it', async () => {
    await capture();
    const changes = { warmup: [{ http: { port: 8080, path: '/alloc?mb=100' } }], verify: { maxMemoryFactor: 20 } };
    expect(await capture(changes)).toMatchObject({ state: 'succeeded' });
    expect(await resolveGolden(node.redis, 'api', 'stable')).toMatchObject({
      id: second,
      evidence: { clones: [{ memoryBytes: 108 * megabyte }, {}], comparedWith: { memoryBytes: 8 * megabyte } },
    });
  });
});

describe('the golden that `stable` points to', () => {
  it('hinders no successor when it can not be restored any more, and the evidence tells', async () => {
    await capture();
    node.engine.faults.corruptGolden(first);
    expect(await capture()).toMatchObject({ state: 'succeeded' });
    const { evidence } = await requireGolden(node.redis, second);
    expect(evidence?.notCompared).toMatch(/^a clone of api@1 could not be restored beside: golden api@1: pages/);
    expect(evidence?.comparedWith).toBeUndefined();
  });

  it('is left alone, and hinders no successor, on a node that was changed since', async () => {
    await capture();
    await upgradeNode();
    node.engine.faults.corruptGolden(first); // as files are that give way to those of a build
    expect(await capture()).toMatchObject({ state: 'succeeded' });
    expect((await requireGolden(node.redis, second)).evidence?.notCompared).toMatch(
      /^golden api@1 can not be restored on node n1: kernel new/,
    );
    expect((await requireGolden(node.redis, first)).state).toBe('ready');
  });

  it('hinders no successor when its files are not on the node', async () => {
    await capture();
    await node.engine.removeGolden(first);
    expect(await capture()).toMatchObject({ state: 'succeeded' });
    expect((await requireGolden(node.redis, second)).evidence?.notCompared).toBe('the files of api@1 are not on n1');
  });
});

describe('the comparison', () => {
  const policy = VerifyPolicy.parse({});
  const used = (restoreMs: number, megabytes: number) => ({ golden: first, restoreMs, memoryBytes: megabytes * megabyte });
  const clone = (restoreMs: number, megabytes: number) => ({ restoreMs, readyMs: 1, memoryBytes: megabytes * megabyte });
  const judge = (clones: ReturnType<typeof clone>[], than: ReturnType<typeof used>) => () =>
    requireNoRegression(second, clones, than, policy);

  it('judges by the best clone, and lets pass what is slower or larger by little, however small the app', () => {
    expect(judge([clone(9000, 900), clone(290, 100)], used(100, 60))).not.toThrow();
    expect(judge([clone(250, 40)], used(60, 9))).not.toThrow();
  });

  it('tells both figures, the limit and the way out', () => {
    expect(judge([clone(950, 100)], used(310, 100))).toThrow(
      'a clone of golden api@2 becomes ready in 950 ms, of api@1 in 310 ms: more than 3 times as much',
    );
    expect(judge([clone(100, 205)], used(100, 100))).toThrow(
      expect.objectContaining({
        message: 'a clone of golden api@2 holds 205 MB of memory, of api@1 100 MB: more than 2 times as much',
        fix: expect.stringContaining('raise `verify.maxMemoryFactor`'),
      }),
    );
  });
});
