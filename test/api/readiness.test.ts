import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openReadiness } from '#src/api/readiness.ts';
import { openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { beat } from '#src/nodes/heartbeat.ts';
import { setCordoned } from '#src/nodes/store.ts';
import { systemClock } from '#src/platform/clock.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();

const answering = { ask: async () => undefined as never };
const refusing = { ask: () => Promise.reject(new Error('connection refused')) };
const readiness = (agents: Parameters<typeof openReadiness>[0]['agents']) =>
  openReadiness({ redis: node.redis, agents, clock: systemClock })();

describe('the service is ready', () => {
  it('when Redis and the agent of a node answer', async () => {
    expect(await readiness(answering)).toEqual({ ready: true, problems: [], warnings: [] });
  });

  it('when its only node is cordoned: what is warm there can be claimed', async () => {
    await setCordoned(node.redis, 'n1', true);
    expect(await readiness(answering)).toMatchObject({ ready: true });
    expect(await readiness(refusing)).toMatchObject({ ready: false });
  });

  it('when one node of two can serve, with a warning of the other', async () => {
    await beat({ ...node, node: 'n2', bootId: 'boot-2', agent: 'unix:/nowhere' });
    const agents: typeof refusing = { ask: async (...[name]: unknown[]) => (name === 'n2' ? refusing.ask() : (undefined as never)) };
    expect(await readiness(agents)).toEqual({ ready: true, problems: [], warnings: ['the agent of n2 does not answer'] });
  });
});

describe('the service is not ready', () => {
  it('without any node', async () => {
    await node.redis.flushall();
    expect(await readiness(answering)).toMatchObject({ ready: false, problems: ['no node has reported; start a worker'] });
  });

  it('when its only node has been silent for a while', async () => {
    await node.redis.hincrby('{thaw}:node:n1', 'at', -11_000);
    expect(await readiness(answering)).toMatchObject({ ready: false, problems: ['no node can serve claims: n1 is suspected'] });
  });

  it('when the agent takes connections but answers nothing', async () => {
    await using directory = await makeTempDir();
    const socket = join(directory.path, 'agent.sock');
    const hung = createServer().listen(socket);
    await once(hung, 'listening');
    await beat({ ...node, node: 'n1', bootId: 'boot-1', agent: `unix:${socket}` });
    const agents = openAgentDirectory(node.redis);
    expect(await readiness(agents)).toMatchObject({
      ready: false,
      problems: ['no node can serve claims: the agent of n1 does not answer'],
    });
    agents.close();
    hung.close();
  });
});

it('however often one asks, an agent is asked once a second', async () => {
  let asked = 0;
  let nowMs = 0;
  const agents = { ask: async () => ++asked as never };
  const read = openReadiness({ redis: node.redis, agents, clock: { ...systemClock, nowMs: () => nowMs } });
  await Promise.all([read(), read(), read()]);
  nowMs = 999;
  await read();
  expect(asked).toBe(1);
  nowMs = 1000;
  await read();
  expect(asked).toBe(2);
});
