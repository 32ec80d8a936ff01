import { beforeEach, describe, expect, it } from 'vitest';
import { dryRunCapture } from '#src/goldens/dry-run-capture.ts';
import { notesRoutes } from '#src/goldens/notes-routes.ts';
import { reconcileGoldens } from '#src/goldens/reconcile-goldens.ts';
import { removeTemplate } from '#src/goldens/remove-template.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requestDryRun } from '#src/goldens/request-dry-run.ts';
import { goldenRoutes } from '#src/goldens/routes.ts';
import { requireGolden } from '#src/goldens/store.ts';
import { listInstances } from '#src/instances/list-instances.ts';
import { cancelOperation } from '#src/operations/cancel-operation.ts';
import { requireOperation } from '#src/operations/store.ts';
import { goldenId, type OperationId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { idle, stoppedClock, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { type Call, roomApp } from '#test/support/room-app.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();

async function expectNothingLeft(): Promise<void> {
  expect(await node.engine.list()).toEqual([]);
  expect((await listInstances(node.redis, { limit: 10 })).items).toEqual([]);
}

async function ask(spec = webSpec()): Promise<OperationId> {
  await putTemplate(node.redis, 'api', spec, undefined);
  return (await requestDryRun(node, 'api', {})).id;
}

describe('a dry run', () => {
  it('goes the way of a capture up to the checkpoint, reports, and leaves nothing, no number either', async () => {
    const id = await ask(webSpec({ warmup: [{ http: { port: 8080, path: '/warm' } }] }));
    await dryRunCapture(node, id, idle);
    const { state, steps, result } = await requireOperation(node.redis, id);
    expect([state, ...steps.map(({ name }) => name)]).toEqual(['succeeded', 'start', 'ready', 'warmup', 'inspect']);
    expect(result).toMatchObject({ wouldSucceed: true, findings: [], processes: 1, connections: [], memoryBytes: expect.any(Number) });
    await expectNothingLeft();
    expect(await takeGolden(node, 'api')).toBe('api@1');
  });

  it('tells what would stop it, which is no failure of the dry run', async () => {
    const env = { THAW_SIMULATE_CHECKPOINT_FINDING: 'an io_uring is open' };
    const id = await ask(webSpec({ env }));
    await dryRunCapture(node, id, idle);
    const finding = { kind: 'simulated', severity: 'stops', process: 'app (pid 1)', detail: 'an io_uring is open' };
    expect(await requireOperation(node.redis, id)).toMatchObject({
      state: 'succeeded',
      result: { wouldSucceed: false, findings: [finding] },
    });
    await takeGolden(node, 'api', webSpec({ env }));
    expect((await requireGolden(node.redis, goldenId('api', 1))).problem).toMatchObject({ code: 'checkpoint_unsupported' });
  });

  it('of an app that does not come so far fails as its capture would', async () => {
    const id = await ask(webSpec({ env: { APP_EXIT_CODE: '3' } }));
    await dryRunCapture(node, id, idle);
    expect(await requireOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'app_exited' } });
    await expectNothingLeft();
  });

  it('goes on beside a capture of the same template', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    await requestCapture(node, 'api', { promote: true });
    await dryRunCapture(node, (await requestDryRun(node, 'api', {})).id, idle);
    await expectNothingLeft();
  });

  it('that a crash cut off is taken up again, and destroys the primer of the first run', async () => {
    const id = await ask(webSpec({ env: { APP_START_MS: '50' } }));
    void dryRunCapture({ ...node, clock: stoppedClock }, id, idle); // never goes on, as after kill -9
    await expect.poll(() => node.engine.list()).toHaveLength(1);
    node.asked.length = 0;
    await reconcileGoldens(node);
    expect(node.asked).toEqual([`dryRun ${id}`]);
    await dryRunCapture(node, id, idle);
    expect((await requireOperation(node.redis, id)).state).toBe('succeeded');
    await expectNothingLeft();
  });

  it('that a crash cut off and whose template was deleted meanwhile fails, and destroys the primer of the first run', async () => {
    const id = await ask(webSpec({ env: { APP_START_MS: '50' } }));
    void dryRunCapture({ ...node, clock: stoppedClock }, id, idle);
    await expect.poll(() => node.engine.list()).toHaveLength(1);
    await removeTemplate(node, 'api');
    await dryRunCapture(node, id, idle);
    expect(await requireOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'template_not_found' } });
    await expectNothingLeft();
  });

  it('that was cancelled while its worker was dead leaves nothing either', async () => {
    const id = await ask(webSpec({ env: { APP_START_MS: '50' } }));
    void dryRunCapture({ ...node, clock: stoppedClock }, id, idle);
    await expect.poll(() => node.engine.list()).toHaveLength(1);
    await cancelOperation(node.redis, id);
    await dryRunCapture(node, id, idle);
    await expectNothingLeft();
  });
});

describe('over HTTP', () => {
  let call: Call;
  beforeEach(() => {
    call = roomApp('admin', (app) => {
      goldenRoutes(app, node);
      notesRoutes(app, node);
    });
  });

  it('a dry run is asked for like a capture, twice under one key once, and never of an import', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const key = { 'idempotency-key': 'k1' };
    const asked = await call('POST', '/v1/templates/api/goldens', { dryRun: true }, key);
    expect(asked).toMatchObject({ status: 202, body: { kind: 'dry-run-capture', target: 'api', state: 'queued' } });
    expect((await call('POST', '/v1/templates/api/goldens', { dryRun: true }, key)).body.id).toBe(asked.body.id);
    expect(node.asked).toEqual([`dryRun ${asked.body.id}`]);
    const both = await call('POST', '/v1/templates/api/goldens', { dryRun: true, from: { archive: '/x.tar' } });
    expect(both).toMatchObject({ status: 422, body: { code: 'validation_failed', errors: [{ path: 'from' }] } });
    expect((await call('POST', '/v1/templates/none/goldens', { dryRun: true })).status).toBe(404);
  });

  it('a golden keeps the notes it was asked for with, which can be written anew, and who asked', async () => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    await call('POST', '/v1/templates/api/goldens', { notes: 'of Tuesday' });
    const path = '/v1/templates/api/goldens/1';
    expect((await call('GET', path)).body).toMatchObject({ notes: 'of Tuesday', requestedBy: { key: 'key', name: 'test' } });
    expect(await call('PATCH', path, { notes: 'of Wednesday' })).toMatchObject({ status: 200, body: { notes: 'of Wednesday' } });
    expect((await call('GET', path)).body).toMatchObject({ notes: 'of Wednesday', state: 'capturing' });
    expect((await call('PATCH', path, { notes: 'x'.repeat(4097) })).status).toBe(422);
    expect((await call('PATCH', path, { state: 'ready' })).status).toBe(422);
    expect((await call('PATCH', '/v1/templates/api/goldens/2', { notes: '' })).status).toBe(404);
  });
});
