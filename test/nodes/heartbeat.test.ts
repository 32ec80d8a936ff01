import { describe, expect, it } from 'vitest';
import { beat } from '#src/nodes/heartbeat.ts';
import { getNode, listNodes, pickNode, setCordoned, tellNodeStates } from '#src/nodes/store.ts';
import { readBootId } from '#src/platform/boot-id.ts';
import { readEventsAfter } from '#src/platform/events.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();

describe('a heartbeat', () => {
  it('tells what the node is and can take', async () => {
    const bootId = readBootId();
    await beat({ ...node, bootId, agent: 'unix:/run/agent.sock' });
    expect(await getNode(node.redis, 'n1')).toMatchObject({
      name: 'n1',
      state: 'ready',
      bootId,
      agent: 'unix:/run/agent.sock',
      fit: true,
    });
  });

  it('does not lift a cordon', async () => {
    await setCordoned(node.redis, 'n1', true);
    await beat({ ...node, bootId: 'boot-1', agent: 'unix:/run/agent.sock' });
    expect((await getNode(node.redis, 'n1'))?.state).toBe('cordoned');
  });

  it('that stays away makes a node suspected, then gone', async () => {
    const ageBy = (ms: number) => node.redis.hincrby('{thaw}:node:n1', 'at', -ms);
    await ageBy(11_000);
    expect((await getNode(node.redis, 'n1'))?.state).toBe('suspected');
    await ageBy(60_000);
    expect((await listNodes(node.redis)).map((each) => each.state)).toEqual(['gone']);
  });

  it('and its absence are told as events, once each', async () => {
    const ageBy = (ms: number) => node.redis.hincrby('{thaw}:node:n1', 'at', -ms);
    await ageBy(11_000);
    await tellNodeStates(node.redis);
    await ageBy(60_000);
    await tellNodeStates(node.redis);
    await tellNodeStates(node.redis);
    await beat({ ...node, bootId: 'boot-1', agent: 'unix:/run/agent.sock' });
    await setCordoned(node.redis, 'n1', true);
    await beat({ ...node, bootId: 'boot-1', agent: 'unix:/run/agent.sock' });
    const events = await readEventsAfter(node.redis, '0', 100);
    expect(events.map((event) => `${event.type} ${event.node}`)).toEqual(
      ['ready', 'suspected', 'gone', 'ready', 'cordoned'].map((state) => `node.${state} n1`),
    );
  });

  it('of a node that is not fit says why nothing can be placed', async () => {
    const probe = async () => ({ ...(await node.engine.probe()), ok: false, problems: ['CRIU is too old'] });
    await beat({ ...node, engine: { probe }, bootId: 'boot-1', agent: 'unix:/nowhere' });
    await expect(pickNode(node.redis)).rejects.toMatchObject({
      code: 'no_node',
      message: 'no node can take the work: n1 is not fit (CRIU is too old)',
    });
  });
});
