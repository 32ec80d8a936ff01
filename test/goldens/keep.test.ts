import { describe, expect, it } from 'vitest';
import { setAlias } from '#src/goldens/aliases.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { condemnGolden } from '#src/goldens/condemn-golden.ts';
import { deleteGolden } from '#src/goldens/delete-golden.ts';
import { freeGoldenDisk } from '#src/goldens/keep/golden-disk.ts';
import { reconcileGoldens } from '#src/goldens/reconcile-goldens.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requestVerify } from '#src/goldens/request-verify.ts';
import { getGolden, listAllGoldens, resolveGolden } from '#src/goldens/store.ts';
import { destroyInstance } from '#src/instances/destroy-instance.ts';
import { restoreInstance } from '#src/instances/restore-instance.ts';
import { cancelOperation } from '#src/operations/cancel-operation.ts';
import { requireOperation } from '#src/operations/store.ts';
import { describeFailure, ThawError } from '#src/platform/errors.ts';
import { goldenId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { idle, recordClone, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const first = goldenId('api', 1);
const keepTwo = webSpec({ keep: { last: 2 } });

/** What there is of the template: `number state`, newest first. */
async function goldens(template = 'api'): Promise<string[]> {
  return (await listAllGoldens(node.redis, template)).map(({ number, state }) => `${number} ${state}`);
}

async function liveClone() {
  const id = await recordClone(node, first);
  await restoreInstance(node, id, idle);
  return id;
}

/** How much one golden of the simulated node takes. */
async function sizeOfOne(): Promise<number> {
  return (await node.engine.goldenDisk()).usedBytes / (await node.engine.listGoldens()).length;
}

describe('a template that keeps the last two goldens', () => {
  it('lets older ones go when another has become ready', async () => {
    for (let taken = 0; taken < 4; taken++) await takeGolden(node, 'api', keepTwo);
    expect(await goldens()).toEqual(['4 ready', '3 ready']);
    expect(await getGolden(node.redis, first)).toMatchObject({ state: 'deleted', droppedFor: 'keep' });
    expect((await reconcileGoldens(node)).removed).toEqual([first, goldenId('api', 2)]);
  });

  it('keeps those that an alias points to or that a pool names by number', async () => {
    const named = { ...node, goldensNamed: async () => new Map([[2, 'web']]) };
    await takeGolden(named, 'api', keepTwo);
    await setAlias(node.redis, 'api', 'canary', 1);
    for (let taken = 0; taken < 4; taken++) await takeGolden(named, 'api', keepTwo);
    expect(await goldens()).toEqual(['5 ready', '4 ready', '2 ready', '1 ready']);
  });

  it('still has, while one is promoted, the one that served until then: promoting can be taken back', async () => {
    const keepOne = webSpec({ keep: { last: 1 } });
    await takeGolden(node, 'api', keepOne);
    await takeGolden(node, 'api', keepOne);
    expect(await goldens()).toEqual(['2 ready', '1 ready']);
    await setAlias(node.redis, 'api', 'stable', 1);
    expect(await resolveGolden(node.redis, 'api', 'stable')).toMatchObject({ id: first });
  });

  it('retires one that clones run on, and deletes it when they have ended', async () => {
    await takeGolden(node, 'api', keepTwo);
    const clone = await liveClone();
    for (let taken = 0; taken < 3; taken++) await takeGolden(node, 'api', keepTwo);
    expect(await goldens()).toEqual(['4 ready', '3 ready', '1 retired']);
    await expect(setAlias(node.redis, 'api', 'stable', 1)).rejects.toMatchObject({ code: 'golden_not_ready' });
    await expect(resolveGolden(node.redis, 'api', 1)).rejects.toMatchObject({ code: 'golden_not_ready' });
    await reconcileGoldens(node);
    expect(await node.engine.hasGolden(first)).toBe(true);
    await destroyInstance(node, clone);
    expect((await reconcileGoldens(node)).removed).toContain(first);
    expect(await goldens()).toEqual(['4 ready', '3 ready']);
  });

  it('drops failed captures that are older than those it keeps', async () => {
    node.engine.faults.failNext('start', 'app_start_failed');
    for (let taken = 0; taken < 3; taken++) await takeGolden(node, 'api', keepTwo);
    expect(await goldens()).toEqual(['3 ready', '2 ready']);
  });
});

describe('a template that says nothing of it', () => {
  it('keeps all its goldens', async () => {
    for (let taken = 0; taken < 4; taken++) await takeGolden(node, 'api');
    expect(await goldens()).toEqual(['4 ready', '3 ready', '2 ready', '1 ready']);
  });
});

describe('deleting a golden', () => {
  it('that clones run on retires it, and asking again answers the same; it goes with the last of them', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    const clone = await liveClone();
    for (let asked = 0; asked < 2; asked++) {
      expect(await deleteGolden(node, first)).toMatchObject({ state: 'retired', droppedFor: 'request' });
    }
    await destroyInstance(node, clone);
    expect((await reconcileGoldens(node)).removed).toEqual([first]);
    expect(await goldens()).toEqual(['2 ready']);
  });

  it('that is found corrupt while clones still run on it fails, and its event says why', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    const clone = await liveClone();
    await deleteGolden(node, first);
    const problem = describeFailure(new ThawError('golden_corrupt', 'a page was changed', { fix: 'Take another.' }));
    await condemnGolden(node.redis, first, problem);
    const events = await node.redis.xrange('{thaw}:events', '-', '+');
    const [failed = []] = events.flatMap(([, fields]) => (fields.includes('golden.failed') ? [fields] : []));
    expect(failed[failed.indexOf('reason') + 1]).toBe('golden_corrupt');
    await destroyInstance(node, clone);
    await reconcileGoldens(node);
    expect(await goldens()).toEqual(['2 ready']);
  });

  it('that is being verified waits for the end of that', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    const { id } = await requestVerify(node, first);
    expect(await deleteGolden(node, first)).toMatchObject({ state: 'retired' });
    expect((await reconcileGoldens(node)).removed).toEqual([]);
    await cancelOperation(node.redis, id);
    expect((await reconcileGoldens(node)).removed).toEqual([first]);
  });

  it('is finished by another worker when the one that began died', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    await deleteGolden(node, first); // its job is lost
    expect(await node.engine.hasGolden(first)).toBe(true);
    expect((await reconcileGoldens(node)).removed).toEqual([first]);
    expect(await node.engine.hasGolden(first)).toBe(false);
  });

  it('that a pool names by its number is refused', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    const named = { ...node, goldensNamed: async () => new Map([[1, 'web']]) };
    await expect(deleteGolden(named, first)).rejects.toMatchObject({ code: 'golden_in_use', message: expect.stringContaining('pool web') });
  });
});

describe('a capture whose worker died when its golden was ready', () => {
  it('leaves the files of the golden to its clones when it is run again after a delete', async () => {
    await putTemplate(node.redis, 'api', webSpec({ keep: { last: 1 } }), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    const dies = new AbortController();
    const goldensNamed = async () => {
      dies.abort();
      throw dies.signal.reason;
    };
    await expect(captureGolden({ ...node, goldensNamed }, id, dies.signal)).rejects.toThrow();
    await liveClone();
    expect(await deleteGolden(node, first)).toMatchObject({ state: 'retired' });
    await captureGolden(node, id, idle);
    expect(await requireOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'invalid_transition' } });
    expect(await node.engine.hasGolden(first)).toBe(true);
    expect(await goldens()).toEqual(['1 retired']);
  });
});

describe("a node's disk budget for goldens", () => {
  async function nodeFor(count: number) {
    await takeGolden(node, 'api');
    return { ...node, goldenDiskBytes: Math.ceil(count * (await sizeOfOne())) };
  }

  it('lets the oldest go that nothing needs, and tells why', async () => {
    const bounded = await nodeFor(3.5);
    await takeGolden(bounded, 'api');
    await takeGolden(bounded, 'other');
    await takeGolden(bounded, 'api');
    expect(await goldens()).toEqual(['3 ready', '2 ready']);
    expect(await goldens('other')).toEqual(['1 ready']);
    expect(await node.engine.hasGolden(first)).toBe(false);
    const events = await node.redis.xrange('{thaw}:events', '-', '+');
    expect(JSON.stringify(events.filter(([, fields]) => fields.includes('golden.deleted')))).toContain('"reason","disk"');
  });

  it('refuses a capture before it starts when nothing can go', async () => {
    const bounded = await nodeFor(1.5);
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const { id } = await requestCapture(bounded, 'api', { promote: true });
    await captureGolden(bounded, id, idle);
    const problem = { code: 'golden_disk_full', class: 'capacity', message: expect.stringContaining('on node n1 take') };
    expect(await requireOperation(node.redis, id)).toMatchObject({ state: 'failed', problem, steps: [] });
    expect(await goldens()).toEqual(['2 failed', '1 ready']);
    expect(await resolveGolden(node.redis, 'api', 'stable')).toMatchObject({ id: first });
  });

  it('lets no more go than needed when two make room at once', async () => {
    for (let taken = 0; taken < 3; taken++) await takeGolden(node, 'api');
    const bounded = await nodeFor(3.5);
    await Promise.all([freeGoldenDisk(bounded), freeGoldenDisk(bounded)]);
    expect(await goldens()).toEqual(['4 ready', '3 ready', '2 ready']);
  });

  it('spares one that a pool has come to name while others went', async () => {
    for (let taken = 0; taken < 3; taken++) await takeGolden(node, 'api');
    const bounded = await nodeFor(1.5);
    const goldensNamed = async () => new Map((await node.engine.hasGolden(first)) ? [] : [[2, 'web'] as const]);
    await freeGoldenDisk({ ...bounded, goldensNamed });
    expect(await goldens()).toEqual(['4 ready', '2 ready']);
  });

  it('spares what clones run on', async () => {
    const bounded = await nodeFor(2.5);
    await liveClone();
    await takeGolden(bounded, 'api');
    await takeGolden(bounded, 'api');
    expect(await goldens()).toEqual(['3 failed', '2 ready', '1 ready']);
  });
});

it('what a golden shares with none is told on it', async () => {
  await takeGolden(node, 'api');
  expect(await getGolden(node.redis, first)).toMatchObject({ uniqueBytes: await sizeOfOne() });
});
