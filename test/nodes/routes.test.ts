import { beforeEach, describe, expect, it } from 'vitest';
import { instanceRoutes } from '#src/instances/routes.ts';
import { nodeRoutes } from '#src/nodes/routes.ts';
import { pickNode } from '#src/nodes/store.ts';
import { goldenId } from '#src/platform/ids.ts';
import { recordClone } from '#test/support/memory-node.ts';
import { type Call, roomApp } from '#test/support/room-app.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
let call: Call;

beforeEach(async () => {
  call = roomApp('admin', (app) => {
    nodeRoutes(app, node);
    instanceRoutes(app, node);
  });
});

describe('nodes over HTTP', () => {
  it('are listed with what they can take', async () => {
    const { body } = await call('GET', '/v1/nodes');
    expect(body.items).toMatchObject([{ name: 'n1', state: 'ready', fit: true, fingerprint: { engine: 'memory' } }]);
    expect(await call('GET', '/v1/nodes/n2')).toMatchObject({ status: 404, body: { code: 'node_not_found' } });
  });

  it('that are cordoned get nothing new until they are uncordoned', async () => {
    expect((await call('POST', '/v1/nodes/n1/cordon')).body.state).toBe('cordoned');
    await expect(pickNode(node.redis)).rejects.toThrow('n1 is cordoned');
    expect((await call('POST', '/v1/nodes/n1/uncordon')).body.state).toBe('ready');
    expect((await pickNode(node.redis)).name).toBe('n1');
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
