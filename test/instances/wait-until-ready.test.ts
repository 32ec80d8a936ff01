import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createMemoryEngine, type MemoryEngine } from '#src/engine/memory/memory-engine.ts';
import { ReadyProbe, Workload } from '#src/engine/workload.ts';
import { waitUntilReady } from '#src/instances/wait-until-ready.ts';
import { systemClock } from '#src/platform/clock.ts';
import { type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { idle } from '#test/support/memory-node.ts';

let engine: MemoryEngine;

beforeEach(() => {
  engine = createMemoryEngine({ clock: systemClock, timings: { startMs: 30, checkpointMs: 0, restoreMs: 0, bindMs: 0 } });
});
afterEach(() => engine.close());

async function start(env: Record<string, string> = {}) {
  const id = newInstanceId();
  return { id, ...(await engine.start(Workload.parse({ image: 'dir:/app', env, ports: [{ name: 'web', port: 80 }] }), id)) };
}

const probe = (changes: object) => ReadyProbe.parse({ intervalMs: 5, timeoutMs: 2000, ...changes });
const wait = (target: { id: InstanceId; address: string }, changes: object, signal = idle) =>
  waitUntilReady({ engine, clock: systemClock }, target, probe(changes), { role: 'primer', signal });

describe('an app', () => {
  it.each([
    ['http', { http: { port: 80, path: '/' } }],
    ['tcp', { tcp: { port: 80 } }],
    ['exec', { exec: { command: ['/app/ready'] } }],
  ])('is ready when %s says so', async (_kind, changes) => {
    expect(await wait(await start(), changes)).toBeGreaterThan(20);
  });

  it('that does not become ready is reported with the limit, the last try and its log', async () => {
    const app = await start({ APP_START_MS: '60000' });
    const waiting = wait(app, { http: { port: 80, path: '/ready' }, timeoutMs: 100 });
    await expect(waiting).rejects.toMatchObject({ code: 'app_not_ready' });
    await expect(waiting).rejects.toThrow(/GET :80\/ready within 100 ms; the last try: .*ECONNREFUSED.*; it said nothing/);
  });

  it('that answers its probe with an upgrade is not ready, and the wait ends', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => {}); // whoever asked has reset it
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const target = { ...(await start()), ports: { 80: port } };
    await expect(wait(target, { http: { port: 80, path: '/' }, timeoutMs: 100 })).rejects.toThrow('it answered 101');
    server.close();
  });

  it('that exits is reported at once, long before the limit', async () => {
    const app = await start({ APP_EXIT_CODE: '3' });
    await expect(wait(app, { tcp: { port: 80 }, timeoutMs: 60_000, intervalMs: 60_000 })).rejects.toMatchObject({
      code: 'app_exited',
      message: expect.stringContaining('ended by itself with exit code 3'),
    });
  });

  it('that exited before anybody listened is noticed too', async () => {
    const app = await start();
    engine.kill(app.id, 1);
    await expect(wait(app, { tcp: { port: 80 }, timeoutMs: 60_000 })).rejects.toMatchObject({ code: 'app_exited' });
  });

  it('is not waited for any more when the wait is broken off', async () => {
    const app = await start({ APP_START_MS: '60000' });
    const stopping = new AbortController();
    const waiting = wait(app, { tcp: { port: 80 } }, stopping.signal);
    stopping.abort(new Error('the worker stops'));
    await expect(waiting).rejects.toThrow('the worker stops');
  });
});
