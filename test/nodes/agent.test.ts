import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryEngine, type MemoryEngine } from '#src/engine/memory/memory-engine.ts';
import { Workload } from '#src/engine/workload.ts';
import { type Agent, type AgentListen, serveAgent } from '#src/nodes/agent.ts';
import { type AgentClient, connectAgent } from '#src/nodes/agent-client.ts';
import { systemClock } from '#src/platform/clock.ts';
import { type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const binding = {
  claim: 'clm-0000000000000001',
  tenant: 'acme',
  expiresAt: '2030-01-01T00:00:00.000Z',
  env: { MODE: 'fast' },
  secrets: { PASSWORD: 'hunter2-very-secret' },
  labels: {},
};

let directory: Awaited<ReturnType<typeof makeTempDir>>;
let engine: MemoryEngine;
let logged: string;
let id: InstanceId;
const open: (Agent | AgentClient)[] = [];

beforeEach(async () => {
  directory = await makeTempDir();
  engine = createMemoryEngine({ clock: systemClock, timings: { startMs: 0, checkpointMs: 0, restoreMs: 0, bindMs: 0 } });
  logged = '';
  id = newInstanceId();
  await engine.start(Workload.parse({ image: 'dir:/app' }), id);
});
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  await engine.close();
  await directory[Symbol.asyncDispose]();
});

const socket = () => join(directory.path, 'agent.sock');

async function serve(listen: AgentListen = { socket: socket() }): Promise<string> {
  const log = pino({}, { write: (line: string) => (logged += line) });
  const agent = await serveAgent({ engine, log }, listen);
  open.push(agent);
  return agent.address;
}

function client(address: string, token?: string): AgentClient {
  const made = connectAgent(address, token);
  open.push(made);
  return made;
}

describe('the node agent', () => {
  it('binds, and the instance knows', async () => {
    await client(await serve()).bind(id, binding, 1000);
    expect((await engine.list())[0]?.boundTo).toMatchObject({ claim: binding.claim, tenant: 'acme' });
  });

  it('tells what a bind took, its hook apart', async () => {
    const hooked = newInstanceId();
    const hooks = { bind: { exec: { command: ['sleep', '0.02'] } } };
    await engine.start(Workload.parse({ image: 'dir:/app', hooks }), hooked);
    const agent = client(await serve());
    expect((await agent.bind(id, binding, 1000)).timingsMs).toEqual({ bind: expect.any(Number), hook: 0 });
    const { timingsMs } = await agent.bind(hooked, binding, 1000);
    expect(timingsMs.hook).toBeGreaterThanOrEqual(19);
    expect(timingsMs.bind).toBeLessThan(timingsMs.hook);
  });

  it('passes a hook that failed on, by its code', async () => {
    engine.faults.failNext('bind', 'hook_failed');
    await expect(client(await serve()).bind(id, binding, 1000)).rejects.toMatchObject({ code: 'hook_failed', class: 'template' });
  });

  it('of a bind that was given up too early tells the repeated one how it ended, and calls the hook once', async () => {
    const hooked = newInstanceId();
    const hooks = { bind: { http: { port: 8080, path: '/hook?sleepMs=200' } } };
    const { ports } = await engine.start(Workload.parse({ image: 'dir:/app', hooks, ports: [{ name: 'web', port: 8080 }] }), hooked);
    const agent = client(await serve());
    await expect(agent.bind(hooked, binding, 50)).rejects.toMatchObject({ code: 'node_unreachable' });
    expect((await agent.bind(hooked, binding, 1000)).timingsMs.hook).toBe(0);
    expect(await (await fetch(`http://127.0.0.1:${ports?.[8080]}/hooks`)).json()).toHaveLength(1);
  });

  it('reads stats and logs', async () => {
    const agent = client(await serve());
    await expect.poll(() => agent.logs(id, 1000)).toContain('token');
    expect(await agent.stats(id)).toMatchObject({ pids: 1 });
  });

  it("passes the engine's failures on as they are", async () => {
    engine.faults.failNext('bind', 'bind_failed');
    await expect(client(await serve()).bind(id, binding, 1000)).rejects.toMatchObject({
      name: 'ThawError',
      code: 'bind_failed',
      fix: expect.any(String),
    });
  });

  it('that is not there is unreachable', async () => {
    await expect(client(`unix:${socket()}`).stats(id)).rejects.toMatchObject({ code: 'node_unreachable' });
  });

  it('that does not answer in time is unreachable, and the limit is named', async () => {
    engine.timings.bindMs = 60_000;
    const bound = client(await serve()).bind(id, binding, 50);
    await expect(bound).rejects.toMatchObject({ code: 'node_unreachable' });
    await expect(bound).rejects.toThrow('exceeded 50 ms');
  });

  it('is reached again after it was restarted', async () => {
    const address = await serve();
    const caller = client(address);
    await caller.bind(id, binding, 1000);
    await open.splice(0, 1)[0]?.close();
    await serve();
    await caller.bind(id, binding, 1000);
  });

  it('lets only its owner in through the socket', async () => {
    await serve();
    expect((await stat(socket())).mode & 0o777).toBe(0o600);
  });

  it('asks for its token on a TCP address', async () => {
    const address = await serve({ host: '127.0.0.1', port: 0, token: 'right' });
    await expect(client(address, 'wrong').stats(id)).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(client(address).stats(id)).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(client(address, 'wrong').bind(id, binding, 1000)).rejects.toMatchObject({ code: 'node_unreachable' });
    expect(await client(address, 'right').stats(id)).toMatchObject({ pids: 1 });
    await client(address, 'right').bind(id, binding, 1000);
  });
});

describe('secrets (law 8)', () => {
  it('are neither logged nor answered when a call can not be read', async () => {
    const address = await serve();
    const call = { call: 1, instance: id, binding };
    const answers = [
      await sendLine(address, JSON.stringify(call).slice(0, -1)),
      await sendLine(address, JSON.stringify({ ...call, binding: { ...binding, env: { A: { B: binding.secrets.PASSWORD } } } })),
    ];
    expect(answers.map((answer) => answer.split('\r\n\r\n')[1]?.includes('validation_failed'))).toEqual([false, true]);
    expect(answers.join('') + logged).not.toContain('hunter2');
  });
});

/** A line as it comes from the wire, that no client of ours would send. Answers all that came back until the agent closed or answered. */
function sendLine(address: string, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const wire = connect(address.slice('unix:'.length));
    wire.setEncoding('utf8').on('data', (text) => {
      answer += text;
      if (answer.endsWith('\r\n\r\n')) wire.write(`${line}\n`);
      else wire.end();
    });
    wire.once('error', reject).once('close', () => resolve(answer));
    wire.write('GET /binds HTTP/1.1\r\nhost: agent\r\nconnection: Upgrade\r\nupgrade: thaw-binds\r\n\r\n');
  });
}
