import { beforeEach, describe, expect, it } from 'vitest';
import { judgeRecord } from '#src/instances/judge-record.ts';
import { type ReconcileDeps, reconcileNode } from '#src/instances/reconcile-node.ts';
import { restoreInstance } from '#src/instances/restore-instance.ts';
import { getInstance, moveInstance } from '#src/instances/store.ts';
import { type GoldenId, type InstanceId, newClaimId, newInstanceId } from '#src/platform/ids.ts';
import { idle, recordClone, takeGolden } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
let golden: GoldenId;
let lost: InstanceId[];
let deps: ReconcileDeps;

beforeEach(async () => {
  golden = await takeGolden(node, 'api');
  lost = [];
  deps = { ...node, onInstanceLost: async (id) => void lost.push(id) };
});

const stateOf = async (id: InstanceId) => (await getInstance(node.redis, id))?.state;
const running = async () => (await node.engine.list()).map((instance) => instance.id);

async function warmClone(): Promise<InstanceId> {
  const id = await recordClone(node, golden);
  await restoreInstance(node, id, idle);
  return id;
}

/** What the claim script and the bind do. */
async function claimedClone(): Promise<InstanceId> {
  const id = await warmClone();
  const claim = newClaimId();
  await moveInstance(node.redis, id, { to: 'claimed' });
  await node.redis.hset(`{thaw}:instance:${id}`, 'claim', claim);
  await bind(id, claim);
  return id;
}

async function bind(id: InstanceId, claim: string): Promise<void> {
  await node.engine.bind(id, { claim, tenant: 'acme', expiresAt: new Date().toISOString(), env: {}, secrets: {}, labels: {} });
}

describe('reconcile', () => {
  it('adopts what is recorded and runs', async () => {
    const ids = [await warmClone(), await claimedClone()];
    expect(await reconcileNode(deps, false)).toEqual({ destroyed: 0, lost: 0, adopted: 2, failures: [] });
    expect((await running()).toSorted()).toEqual(ids.toSorted());
  });

  it('destroys what runs without a record', async () => {
    await node.engine.restore(golden, newInstanceId());
    expect(await reconcileNode(deps, false)).toEqual({ destroyed: 1, lost: 0, adopted: 0, failures: [] });
    expect(await running()).toEqual([]);
  });

  it('fails what is recorded as warm or claimed but does not run, and ends its claim', async () => {
    const [warm, claimed] = [await warmClone(), await claimedClone()];
    await node.engine.destroy(warm);
    node.engine.kill(claimed, 1);
    expect(await reconcileNode(deps, false)).toEqual({ destroyed: 0, lost: 2, adopted: 0, failures: [] });
    expect([await stateOf(warm), await stateOf(claimed), lost]).toEqual(['failed', 'failed', [claimed]]);
    expect(await running()).toEqual([]);
  });

  it('never leaves an instance warm that a tenant has touched (a Redis that came back older)', async () => {
    const id = await warmClone();
    await bind(id, newClaimId());
    expect(await reconcileNode(deps, false)).toMatchObject({ lost: 1 });
    expect([await stateOf(id), await running()]).toEqual(['failed', []]);
  });

  it('does not take an instance from a claim that was bound while it looked', async () => {
    const id = await warmClone();
    const claim = newClaimId();
    const list = async () => {
      await moveInstance(node.redis, id, { to: 'claimed' });
      await node.redis.hset(`{thaw}:instance:${id}`, 'claim', claim);
      await bind(id, claim);
      return node.engine.list();
    };
    await reconcileNode({ ...deps, engine: { destroy: (which) => node.engine.destroy(which), list } }, false);
    expect([await stateOf(id), await running(), lost]).toEqual(['claimed', [id], []]);
  });

  it('leaves to its job what is being restored, though it does not run yet', async () => {
    const id = await recordClone(node, golden);
    expect(await reconcileNode(deps, false)).toEqual({ destroyed: 0, lost: 0, adopted: 0, failures: [] });
    expect(await stateOf(id)).toBe('restoring');
  });

  it('ends all of the node after a restart of the machine, claims included', async () => {
    const ids = [await warmClone(), await claimedClone(), await recordClone(node, golden)];
    expect(await reconcileNode(deps, true)).toMatchObject({ lost: 3, adopted: 0 });
    expect(await Promise.all(ids.map(stateOf))).toEqual(['failed', 'failed', 'failed']);
    expect([lost, await running()]).toEqual([[ids[1]], []]);
  });

  it('looks at every instance even when one of them can not be destroyed, and tells which', async () => {
    await node.engine.restore(golden, newInstanceId());
    await node.engine.restore(golden, newInstanceId());
    node.engine.faults.failNext('destroy', 'subprocess_failed');
    const { destroyed, failures } = await reconcileNode(deps, false);
    const [left] = await running();
    expect(destroyed).toBe(1);
    expect(failures).toEqual([{ instance: left, error: expect.objectContaining({ code: 'subprocess_failed' }) }]);
  });
});

describe('what reconcile makes of one record', () => {
  it('finishes a release that nobody finished for a minute', async () => {
    const id = await warmClone();
    await moveInstance(node.redis, id, { to: 'releasing' });
    const record = await getInstance(node.redis, id);
    if (!record) throw new Error('the record is there');
    expect(judgeRecord(record, undefined, record.stateAt + 59_000).kind).toBe('leave');
    expect(judgeRecord(record, undefined, record.stateAt + 61_000).kind).toBe('finish');
  });

  it('gives up a clone whose job died after the restore', async () => {
    const id = await recordClone(node, golden);
    await moveInstance(node.redis, id, { to: 'preparing' });
    const record = await getInstance(node.redis, id);
    if (!record) throw new Error('the record is there');
    expect(judgeRecord(record, undefined, record.stateAt + 119_000).kind).toBe('leave');
    expect(judgeRecord(record, undefined, record.stateAt + 121_000).kind).toBe('lose');
  });
});
