import { describe, expect, it } from 'vitest';
import { setAlias } from '#src/goldens/aliases.ts';
import type { GoldenState } from '#src/goldens/golden.ts';
import { resolveGolden } from '#src/goldens/store.ts';
import { listInstances } from '#src/instances/list-instances.ts';
import { restoreInstance } from '#src/instances/restore-instance.ts';
import { getInstance } from '#src/instances/store.ts';
import { goldenId } from '#src/platform/ids.ts';
import { planOnePool } from '#src/pools/plan-one-pool.ts';
import { PoolSpec } from '#src/pools/pool.ts';
import { savePool } from '#src/pools/store.ts';
import { idle, recordClone, takeGolden } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const first = goldenId('api', 1);
const unproven: GoldenState[] = ['capturing', 'sealing', 'verifying', 'failed', 'deleted'];

/** Its files are whole and could be restored: nothing but its state keeps anyone from it. */
async function goldenIn(state: GoldenState): Promise<void> {
  await takeGolden(node, 'api');
  await node.redis.hset(`{thaw}:golden:${first}`, 'state', state);
}

describe('a golden that is not proven', () => {
  it.each(unproven)('because it is %s gets no alias, and none that it has leads to it', async (state) => {
    await goldenIn(state);
    await expect(setAlias(node.redis, 'api', 'canary', 1)).rejects.toMatchObject({ code: 'golden_not_ready' });
    for (const ref of ['stable', 1]) {
      await expect(resolveGolden(node.redis, 'api', ref)).rejects.toMatchObject({ code: 'golden_not_ready' });
    }
  });

  it.each(unproven)('because it is %s fills no pool, whether that names an alias or the number', async (state) => {
    await goldenIn(state);
    const asked: string[] = [];
    const ask = (what: string) => async () => void asked.push(what);
    const jobs = {
      restore: ask('restore'),
      destroy: ask('destroy'),
      start: ask('start'),
      cancelRestore: ask('cancel'),
      repeat: ask('repeat'),
      build: ask('build'),
    };
    for (const golden of ['stable', 1]) {
      await savePool(
        node.redis,
        'web',
        PoolSpec.parse({ template: 'api', golden, size: { ready: 2, max: 4 }, lease: { defaultMs: 60_000 } }),
      );
      await planOnePool({ redis: node.redis, jobs }, 'web');
    }
    expect(asked).toEqual([]);
    expect((await listInstances(node.redis, { limit: 10 })).items).toEqual([]);
  });

  it.each(unproven)('because it is %s makes no clone of a pool warm, though one was planned', async (state) => {
    await goldenIn(state);
    const clone = await recordClone(node, first);
    await expect(restoreInstance(node, clone, idle)).rejects.toMatchObject({ code: 'golden_not_ready' });
    expect((await getInstance(node.redis, clone))?.state).toBe('failed');
    expect(await node.engine.list()).toEqual([]);
  });
});
