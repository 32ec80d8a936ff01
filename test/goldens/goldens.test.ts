import { describe, expect, it } from 'vitest';
import { listAliases, setAlias } from '#src/goldens/aliases.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { deleteGolden } from '#src/goldens/delete-golden.ts';
import { removeGoldenFiles } from '#src/goldens/keep/remove-golden-files.ts';
import { reconcileGoldens } from '#src/goldens/reconcile-goldens.ts';
import { removeTemplate } from '#src/goldens/remove-template.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requestVerify } from '#src/goldens/request-verify.ts';
import { listGoldens, moveGolden, requireGolden, resolveGolden } from '#src/goldens/store.ts';
import { runVerify } from '#src/goldens/verify-golden.ts';
import { restoreInstance } from '#src/instances/restore-instance.ts';
import { cancelOperation } from '#src/operations/cancel-operation.ts';
import { getOperation, listUnfinishedOperations } from '#src/operations/store.ts';
import { goldenId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { idle, recordClone, stoppedClock, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const first = goldenId('api', 1);
const second = goldenId('api', 2);

describe('an alias', () => {
  it('is moved by each promotion and can be moved back', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    expect((await resolveGolden(node.redis, 'api', 'stable')).id).toBe(second);
    await setAlias(node.redis, 'api', 'stable', 1);
    await setAlias(node.redis, 'api', 'canary', 2);
    expect(await listAliases(node.redis, 'api')).toEqual({ stable: 1, canary: 2 });
    expect((await resolveGolden(node.redis, 'api', 'stable')).id).toBe(first);
  });

  it('points to ready goldens only', async () => {
    await expect(setAlias(node.redis, 'api', 'stable', 1)).rejects.toMatchObject({ code: 'golden_not_found' });
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    await requestCapture(node, 'api', { promote: true });
    await expect(setAlias(node.redis, 'api', 'stable', 1)).rejects.toMatchObject({ code: 'golden_not_ready' });
    await expect(resolveGolden(node.redis, 'api', 'stable')).rejects.toMatchObject({ code: 'alias_not_found' });
  });
});

describe('a ready golden', () => {
  it('never goes back into its making', async () => {
    await takeGolden(node, 'api');
    for (const state of ['capturing', 'sealing', 'verifying'] as const) {
      await expect(moveGolden(node.redis, first, state)).rejects.toMatchObject({ code: 'invalid_transition' });
    }
  });

  it('is not deleted while an alias points to it', async () => {
    await takeGolden(node, 'api');
    await expect(deleteGolden(node, first)).rejects.toMatchObject({ code: 'golden_in_use' });
    expect((await requireGolden(node.redis, first)).state).toBe('ready');
  });

  it('is not deleted while an instance runs on its files, nor are they', async () => {
    await takeGolden(node, 'api');
    const id = await recordClone(node, first);
    await restoreInstance(node, id, idle);
    await node.redis.del('{thaw}:aliases:api');
    expect(await deleteGolden(node, first)).toMatchObject({ state: 'retired' });
    expect(await removeGoldenFiles(node, first)).toBe(false);
    await removeTemplate(node, 'api');
    expect(await removeGoldenFiles(node, first)).toBe(false);
    expect(await node.engine.hasGolden(first)).toBe(true);
  });

  it('is deleted when nothing uses it, and its files follow', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    await deleteGolden(node, first);
    await deleteGolden(node, first);
    expect((await listGoldens(node.redis, 'api', { limit: 10 })).items.map((golden) => golden.id)).toEqual([second]);
    expect(node.asked).toContain(`removeGolden ${first}`);
    expect(await removeGoldenFiles(node, first)).toBe(true);
    expect(await node.engine.listGoldens()).toEqual([second]);
    await expect(resolveGolden(node.redis, 'api', 1)).rejects.toMatchObject({ code: 'golden_not_ready' });
  });

  it('is not deleted while it is being captured', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    await requestCapture(node, 'api', { promote: true });
    await expect(deleteGolden(node, first)).rejects.toMatchObject({ code: 'capture_in_progress' });
  });
});

describe('verifying', () => {
  it('hashes the files and restores two clones, of which nothing is left', async () => {
    await takeGolden(node, 'api');
    const { id } = await requestVerify(node, first);
    await runVerify(node, id, idle);
    expect(await getOperation(node.redis, id)).toMatchObject({ state: 'succeeded', result: { golden: first } });
    expect(await node.engine.list()).toEqual([]);
  });

  it('fails a golden whose files have changed, which is why its pools stay empty, and its files follow', async () => {
    await takeGolden(node, 'api');
    node.engine.faults.corruptGolden(first);
    const { id } = await requestVerify(node, first);
    await runVerify(node, id, idle);
    expect(await getOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'golden_corrupt' } });
    expect(await requireGolden(node.redis, first)).toMatchObject({ state: 'failed', problem: { code: 'golden_corrupt' } });
    await expect(resolveGolden(node.redis, 'api', 'stable')).rejects.toThrow(/api@1 is failed: .*api@1/);
    await expect(setAlias(node.redis, 'api', 'canary', 1)).rejects.toMatchObject({ code: 'golden_not_ready' });
    expect(await reconcileGoldens(node)).toEqual({ removed: [first], failures: [] });
  });

  it('leaves a golden as it is whose clone failed for another reason', async () => {
    await takeGolden(node, 'api');
    node.engine.faults.failNext('restore', 'restore_failed');
    await runVerify(node, (await requestVerify(node, first)).id, idle);
    expect((await requireGolden(node.redis, first)).state).toBe('ready');
  });

  it('is refused for one that is not ready', async () => {
    await expect(requestVerify(node, first)).rejects.toMatchObject({ code: 'golden_not_found' });
  });
});

describe('restoring', () => {
  it('from a golden whose files have changed fails the golden, however many find it at once', async () => {
    await takeGolden(node, 'api');
    node.engine.faults.corruptGolden(first);
    const clones = await Promise.all([recordClone(node, first), recordClone(node, first), recordClone(node, first)]);
    const restores = await Promise.allSettled(clones.map((id) => restoreInstance(node, id, idle)));
    for (const restore of restores) expect(restore).toMatchObject({ reason: { code: 'golden_corrupt' } });
    expect(await requireGolden(node.redis, first)).toMatchObject({ state: 'failed', problem: { code: 'golden_corrupt' } });
  });
});

describe('reconciling goldens', () => {
  it('asks again for a capture whose job was lost', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    await reconcileGoldens(node);
    expect(node.asked).toEqual([`capture ${id}`, `capture ${id}`]);
  });

  it('fails a golden whose operation was never recorded, so that its template can be captured again', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    await node.redis.del(`{thaw}:operation:${id}`);
    await reconcileGoldens(node);
    expect((await requireGolden(node.redis, first)).state).toBe('failed');
    expect(await takeGolden(node, 'api')).toBe(second);
  });

  it('destroys the primer of a cancelled capture whose worker is gone', async () => {
    await putTemplate(node.redis, 'api', webSpec({ env: { APP_START_MS: '60000' } }), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    void captureGolden({ ...node, clock: stoppedClock }, id, idle); // never goes on, as after kill -9
    await expect.poll(() => node.engine.list()).toHaveLength(1);
    await cancelOperation(node.redis, id);
    await reconcileGoldens(node);
    expect(await node.engine.list()).toEqual([]);
    expect(await requireGolden(node.redis, first)).toMatchObject({ state: 'failed', problem: { code: 'cancelled' } });
  });

  it('asks again for a verify that was cut off, until it has ended', async () => {
    await takeGolden(node, 'api');
    const lost = { ...node, jobs: { ...node.jobs, verify: () => Promise.reject(new Error('killed')) } };
    await expect(requestVerify(lost, first)).rejects.toThrow('killed');
    const [queued] = await listUnfinishedOperations(node.redis, 'verify-golden');
    if (!queued) throw new Error('the operation was recorded before its job');
    await reconcileGoldens(node);
    const stopped = AbortSignal.abort(new Error('the worker stops'));
    await expect(runVerify(node, queued.id, stopped)).rejects.toThrow('the worker stops');
    expect((await getOperation(node.redis, queued.id))?.state).toBe('running');
    await reconcileGoldens(node);
    await runVerify(node, queued.id, idle);
    await reconcileGoldens(node);
    expect((await getOperation(node.redis, queued.id))?.state).toBe('succeeded');
    expect(node.asked.filter((each) => each === `verify ${queued.id}`)).toHaveLength(2);
  });

  it('fails a verify that was cut off and whose golden is forgotten by now', async () => {
    await takeGolden(node, 'api');
    const { id } = await requestVerify(node, first);
    await node.redis.del(`{thaw}:golden:${first}`);
    await reconcileGoldens(node);
    expect(await getOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'golden_not_found' } });
  });

  it('leaves the verifies of other nodes to them', async () => {
    await takeGolden(node, 'api');
    const { id } = await requestVerify(node, first);
    await reconcileGoldens({ ...node, node: 'n2' });
    expect(node.asked.filter((each) => each === `verify ${id}`)).toHaveLength(1);
  });

  it('goes on when what a capture left can not be destroyed, and says so', async () => {
    await takeGolden(node, 'api');
    await requestCapture(node, 'api', { promote: true });
    await node.redis.del(`{thaw}:golden:${first}`, `{thaw}:operation:${(await requireGolden(node.redis, second)).operation}`);
    node.engine.faults.failNext('destroy', 'subprocess_failed');
    const failures = [{ golden: second, error: expect.objectContaining({ code: 'subprocess_failed' }) }];
    expect(await reconcileGoldens(node)).toEqual({ removed: [first], failures });
  });

  it('removes files that no record speaks of, and keeps the others', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    await node.redis.del(`{thaw}:golden:${first}`);
    expect(await reconcileGoldens(node)).toEqual({ removed: [first], failures: [] });
    expect(await node.engine.listGoldens()).toEqual([second]);
  });
});
