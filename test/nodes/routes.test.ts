import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { instanceRoutes } from '#src/instances/routes.ts';
import { nodeRoutes } from '#src/nodes/routes.ts';
import { pickNode } from '#src/nodes/store.ts';
import { goldenId } from '#src/platform/ids.ts';
import { type MemoryNode, recordClone, startMemoryNode } from '#test/support/memory-node.ts';
import { startTestRedis, type TestRedis } from '#test/support/redis.ts';
import { type Call, roomApp } from '#test/support/room-app.ts';

let server: TestRedis;
let node: MemoryNode;
let call: Call;

beforeAll(async () => {
  server = await startTestRedis();
});
afterAll(() => server.stop());
beforeEach(async () => {
  await server.redis.flushall();
  node = await startMemoryNode(server.redis);
  call = roomApp('admin', (app) => {
    nodeRoutes(app, node);
    instanceRoutes(app, node);
  });
});
afterEach(() => node.close());

describe('nodes over HTTP', () => {
  it('are listed with what they can take', async () => {
    const { body } = await call('GET', '/v1/nodes');
    expect(body.items).toMatchObject([{ name: 'n1', state: 'ready', fit: true, fingerprint: { engine: 'memory' } }]);
    expect(await call('GET', '/v1/nodes/n2')).toMatchObject({ status: 404, body: { code: 'node_not_found' } });
  });

  it('that are cordoned get nothing new until they are uncordoned', async () => {
    expect((await call('POST', '/v1/nodes/n1/cordon')).body.state).toBe('cordoned');
    await expect(pickNode(server.redis)).rejects.toThrow('n1 is cordoned');
    expect((await call('POST', '/v1/nodes/n1/uncordon')).body.state).toBe('ready');
    expect((await pickNode(server.redis)).name).toBe('n1');
  });
});

describe('instances over HTTP', () => {
  it('are listed, filtered and read', async () => {
    const id = await recordClone(node, goldenId('api', 1));
    const read = await call('GET', `/v1/instances/${id}`);
    expect(read).toMatchObject({ status: 200, body: { id, pool: 'web', golden: 'api@1', state: 'restoring' } });
    expect((await call('GET', '/v1/instances?pool=web&state=restoring')).body.items).toEqual([read.body]);
    expect((await call('GET', '/v1/instances?pool=other')).body.items).toEqual([]);
    expect(await call('GET', '/v1/instances?state=nonsense')).toMatchObject({ status: 422 });
    expect(await call('GET', '/v1/instances/ins-0000000000000000')).toMatchObject({ status: 404, body: { code: 'instance_not_found' } });
  });
});
