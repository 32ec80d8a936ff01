import { beforeEach, describe, expect, it } from 'vitest';
import { aliasRoutes } from '#src/goldens/alias-routes.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { goldenRoutes } from '#src/goldens/routes.ts';
import { moveInstance } from '#src/instances/store.ts';
import { operationRoutes } from '#src/operations/routes.ts';
import { goldenId, OperationId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { idle, recordClone, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { type Call, roomApp } from '#test/support/room-app.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
let call: Call;

beforeEach(async () => {
  call = roomApp('admin', (app) => {
    goldenRoutes(app, node);
    aliasRoutes(app, node);
    operationRoutes(app, node);
  });
});

describe('goldens over HTTP', () => {
  it('are asked for with 202 and watched as an operation', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const asked = await call('POST', '/v1/templates/api/goldens', {});
    expect(asked).toMatchObject({ status: 202, body: { kind: 'capture-golden', target: 'api@1', state: 'queued', steps: [] } });
    await captureGolden(node, OperationId.parse(asked.body.id), idle);
    const done = await call('GET', `/v1/operations/${asked.body.id}`);
    expect(done.body).toMatchObject({ state: 'succeeded', result: { golden: 'api@1' } });
    expect(done.body.steps?.[0]).toEqual({ name: 'start', state: 'succeeded', tookMs: expect.any(Number) });
    const golden = await call('GET', '/v1/templates/api/goldens/1');
    expect(golden.body).toMatchObject({ id: 'api@1', state: 'ready', operation: asked.body.id });
    expect((await call('GET', '/v1/templates/api/goldens')).body).toEqual({ items: [golden.body] });
    expect((await call('GET', '/v1/templates/api/aliases')).body).toMatchObject({ items: [{ alias: 'stable', golden: 1 }] });
  });

  it('asked for twice under one Idempotency-Key are one', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const key = { 'idempotency-key': 'k1' };
    const answers = [await call('POST', '/v1/templates/api/goldens', {}, key), await call('POST', '/v1/templates/api/goldens', {}, key)];
    expect(answers.map((answer) => answer.status)).toEqual([202, 202]);
    expect(answers[0]?.body).toEqual(answers[1]?.body);
    expect(await call('POST', '/v1/templates/api/goldens', {})).toMatchObject({ status: 409, body: { code: 'capture_in_progress' } });
  });

  it('that nothing uses are deleted with 204', async () => {
    await takeGolden(node, 'api');
    expect(await call('DELETE', '/v1/templates/api/goldens/1')).toMatchObject({ status: 409, body: { code: 'golden_in_use' } });
    await takeGolden(node, 'api');
    expect((await call('DELETE', '/v1/templates/api/goldens/1')).status).toBe(204);
    expect((await call('DELETE', '/v1/templates/api/goldens/7')).body).toMatchObject({ code: 'golden_not_found' });
  });

  it('that clones run on are deleted with 202, which shows them retired until the last has ended', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
    const clone = await recordClone(node, goldenId('api', 1));
    for (let asked = 0; asked < 2; asked++) {
      const answer = await call('DELETE', '/v1/templates/api/goldens/1');
      expect(answer).toMatchObject({ status: 202, body: { id: 'api@1', state: 'retired', droppedFor: 'request' } });
    }
    await moveInstance(node.redis, clone, { to: 'failed' });
    expect((await call('DELETE', '/v1/templates/api/goldens/1')).status).toBe(204);
  });

  it('are verified with 202', async () => {
    await takeGolden(node, 'api');
    const answer = await call('POST', '/v1/templates/api/goldens/1/verify');
    expect(answer).toMatchObject({ status: 202, body: { kind: 'verify-golden', target: 'api@1' } });
    expect(node.asked).toContain(`verify ${answer.body.id}`);
  });

  it('are verified once per idempotency key', async () => {
    await takeGolden(node, 'api');
    const verify = (key: string) => call('POST', '/v1/templates/api/goldens/1/verify', undefined, { 'idempotency-key': key });
    const [first, again, other] = await Promise.all([verify('a'), verify('a'), verify('b')]);
    expect(again?.body.id).toBe(first?.body.id);
    expect(other?.body.id).not.toBe(first?.body.id);
  });

  it('are promoted by moving an alias', async () => {
    await takeGolden(node, 'api');
    expect(await call('PUT', '/v1/templates/api/aliases/canary', { golden: 1 })).toMatchObject({
      status: 200,
      body: { alias: 'canary', golden: 1 },
    });
    expect(await call('PUT', '/v1/templates/api/aliases/canary', { golden: 2 })).toMatchObject({
      status: 404,
      body: { code: 'golden_not_found' },
    });
    expect(await call('PUT', '/v1/templates/nope/aliases/canary', { golden: 1 })).toMatchObject({ body: { code: 'template_not_found' } });
  });
});

describe('operations over HTTP', () => {
  it('are listed and cancelled', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const { body } = await call('POST', '/v1/templates/api/goldens', {});
    expect((await call('GET', '/v1/operations')).body.items).toEqual([body]);
    expect(await call('POST', `/v1/operations/${body.id}/cancel`)).toMatchObject({ status: 200, body: { state: 'cancelled' } });
    expect(await call('GET', '/v1/operations/op-0000000000000000')).toMatchObject({ status: 404, body: { code: 'operation_not_found' } });
    expect(await call('GET', '/v1/operations/nonsense')).toMatchObject({ status: 404, body: { code: 'operation_not_found' } });
  });
});
