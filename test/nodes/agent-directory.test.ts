import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Binding } from '#src/engine/engine.ts';
import { Workload } from '#src/engine/workload.ts';
import { serveAgent } from '#src/nodes/agent.ts';
import { type AgentDirectory, openAgentDirectory } from '#src/nodes/agent-directory.ts';
import { beat } from '#src/nodes/heartbeat.ts';
import { newInstanceId } from '#src/platform/ids.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const binding: Binding = { claim: 'clm-1', tenant: 'acme', expiresAt: '2030-01-01T00:00:00.000Z', env: {}, secrets: {}, labels: {} };
const node = useMemoryNode();
let directory: Awaited<ReturnType<typeof makeTempDir>>;
let agents: AgentDirectory;
const socket = () => join(directory.path, 'agent.sock');

beforeEach(async () => {
  directory = await makeTempDir();
  await beat({ ...node, bootId: 'boot-1', agent: `unix:${socket()}` });
  agents = openAgentDirectory(node.redis);
});
afterEach(async () => {
  agents.close();
  await directory[Symbol.asyncDispose]();
});

describe('the directory of agents', () => {
  it('closes the connections of an agent that does not answer', async () => {
    const open = new Set<Socket>();
    const silent = await listenSilently(socket(), open);
    for (let i = 0; i < 3; i++) {
      const asked = agents.ask('n1', (agent) => agent.bind(newInstanceId(), binding, 20));
      await expect(asked).rejects.toMatchObject({ code: 'node_unreachable' });
    }
    await expect.poll(() => open.size).toBe(0);
    silent.close();
  });

  it('lets the other calls of a connection end that it gives up', async () => {
    node.engine.timings.bindMs = 300;
    const [slow, other] = [newInstanceId(), newInstanceId()];
    for (const id of [slow, other]) await node.engine.start(Workload.parse({ image: 'dir:/app' }), id);
    const agent = await serveAgent({ engine: node.engine, log: pino({ level: 'silent' }) }, { socket: socket() });
    const patient = agents.ask('n1', (each) => each.bind(other, binding, 5000));
    await expect(agents.ask('n1', (each) => each.bind(slow, binding, 50))).rejects.toMatchObject({ code: 'node_unreachable' });
    await patient;
    await agent.close();
  });
});

describe('a node whose agent does not answer', () => {
  const marked = () => node.redis.zrange('{thaw}:nodes-unreachable', 0, '-1');
  const log = pino({ level: 'silent' });

  it('is marked for the claim script until it answers again', async () => {
    const asked = agents.ask('n1', (agent) => agent.bind(newInstanceId(), binding, 100));
    await expect(asked).rejects.toMatchObject({ code: 'node_unreachable' });
    await expect.poll(marked).toEqual(['n1']);
    const until = Number(await node.redis.zscore('{thaw}:nodes-unreachable', 'n1'));
    expect(until - Date.now()).toBeGreaterThan(0);
    expect(until - Date.now()).toBeLessThanOrEqual(3100);
    const agent = await serveAgent({ engine: node.engine, log }, { socket: socket() });
    await expect.poll(marked).toEqual([]);
    await agent.close();
  });

  it('is not marked for one slow call', async () => {
    node.engine.timings.bindMs = 200;
    const slow = newInstanceId();
    await node.engine.start(Workload.parse({ image: 'dir:/app' }), slow);
    const agent = await serveAgent({ engine: node.engine, log }, { socket: socket() });
    await expect(agents.ask('n1', (each) => each.bind(slow, binding, 20))).rejects.toMatchObject({ code: 'node_unreachable' });
    await agents.ask('n1', (each) => each.ping());
    expect(await marked()).toEqual([]);
    await agent.close();
  });
});

/** Takes binds up and answers none. */
async function listenSilently(path: string, open: Set<Socket>): Promise<Server> {
  const silent = createServer();
  silent.on('connection', (connection) => {
    open.add(connection);
    connection.once('close', () => open.delete(connection));
  });
  silent.on('upgrade', (_request, connection) => {
    connection.once('end', () => connection.destroy()).resume();
    connection.write('HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: thaw-binds\r\n\r\n');
  });
  await new Promise<void>((resolve) => silent.listen(path, resolve));
  return silent;
}
