import { beforeEach, describe, expect, it } from 'vitest';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { exportGolden } from '#src/goldens/export-golden.ts';
import { exportRoutes } from '#src/goldens/export-routes.ts';
import { reconcileGoldens } from '#src/goldens/reconcile-goldens.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requestExport } from '#src/goldens/request-export.ts';
import { goldenRoutes } from '#src/goldens/routes.ts';
import { requireGolden, resolveGolden } from '#src/goldens/store.ts';
import { cancelOperation } from '#src/operations/cancel-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import { goldenId, OperationId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { idle, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { type Call, roomApp } from '#test/support/room-app.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const to = 'docker://registry.example/goldens/api:1';
const first = goldenId('api', 1);
const second = goldenId('api', 2);
const asked = { to, overwrite: false, plain: false };
/** Longer than any test: whoever goes on was stopped. */
const forEverMs = 600_000;

/** A ready golden `api@1`, which lies in the registry too. */
async function takeAndExport(): Promise<void> {
  await takeGolden(node, 'api');
  const { id } = await requestExport(node, first, asked);
  await exportGolden(node, id, idle);
}

async function untilStep(id: OperationId, step: string): Promise<void> {
  await expect.poll(async () => (await getOperation(node.redis, id))?.steps.at(-1)?.name).toBe(step);
}

describe('an export', () => {
  it('packs, pushes and tells the digest', async () => {
    await takeGolden(node, 'api');
    const { id } = await requestExport(node, first, asked);
    expect(node.asked).toContain(`export ${id}`);
    await exportGolden(node, id, idle);
    const { digest, sizeBytes } = await requireGolden(node.redis, first);
    const operation = await getOperation(node.redis, id);
    expect(operation).toMatchObject({ kind: 'export-golden', state: 'succeeded', result: { golden: first, to, digest, sizeBytes } });
    expect(operation?.steps.map(({ name, state }) => `${name} ${state}`)).toEqual(['pack succeeded', 'push succeeded']);
  });

  it('of what is not ready is refused, under one key it is one, and the key with another body is refused', async () => {
    await expect(requestExport(node, first, asked)).rejects.toMatchObject({ code: 'golden_not_found' });
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const { id } = await requestCapture(node, 'api', { promote: true });
    await expect(requestExport(node, first, asked)).rejects.toMatchObject({ code: 'golden_not_ready' });
    await captureGolden(node, id, idle);
    const one = await requestExport(node, first, asked, 'key-1');
    expect(await requestExport(node, first, asked, 'key-1')).toEqual(one);
    const other = requestExport(node, first, { ...asked, overwrite: true }, 'key-1');
    await expect(other).rejects.toMatchObject({ code: 'idempotency_key_reused' });
  });

  it('that fails says why; a golden found corrupt at it is failed', async () => {
    await takeGolden(node, 'api');
    node.engine.faults.failNext('export', 'image_push_failed');
    const { id } = await requestExport(node, first, asked);
    await exportGolden(node, id, idle);
    expect(await getOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'image_push_failed' } });
    expect((await requireGolden(node.redis, first)).state).toBe('ready');
    node.engine.faults.corruptGolden(first);
    const corrupt = await requestExport(node, first, asked);
    await exportGolden(node, corrupt.id, idle);
    expect((await requireGolden(node.redis, first)).state).toBe('failed');
  });

  it('that a crash cut off is asked for again, by the node that has the golden alone', async () => {
    await takeGolden(node, 'api');
    const { id } = await requestExport(node, first, asked);
    await reconcileGoldens({ ...node, node: 'n2' });
    await reconcileGoldens(node);
    expect(node.asked.filter((each) => each === `export ${id}`)).toHaveLength(2);
  });

  it('is cancelled in the middle', async () => {
    await takeGolden(node, 'api');
    const { id } = await requestExport(node, first, asked);
    node.engine.timings.moveMs = forEverMs;
    const running = exportGolden(node, id, idle);
    await untilStep(id, 'pack');
    await cancelOperation(node.redis, id);
    await running;
    expect((await getOperation(node.redis, id))?.state).toBe('cancelled');
    expect((await resolveGolden(node.redis, 'api', 'stable')).id).toBe(first);
  });
});

describe('an import', () => {
  const from = to;

  it('goes through its steps and ends with a proven, promoted golden that says where it came from', async () => {
    await takeAndExport();
    const { id } = await requestCapture(node, 'api', { from, notes: 'from the other site' });
    await captureGolden(node, id, idle);
    const operation = await getOperation(node.redis, id);
    expect(operation).toMatchObject({ kind: 'capture-golden', state: 'succeeded', result: { golden: second, promoted: true } });
    const steps = operation?.steps.map((step) => `${step.name} ${step.state}`);
    expect(steps).toEqual(['fetch', 'unpack', 'seal', 'verify', 'promote'].map((name) => `${name} succeeded`));
    const [original, imported] = [await requireGolden(node.redis, first), await resolveGolden(node.redis, 'api', 'stable')];
    const { digest, fingerprint, sizeBytes } = original;
    const origin = { kind: 'image', from, engine: 'thaw' };
    expect(imported).toMatchObject({ id: second, state: 'ready', digest, fingerprint, sizeBytes, origin, notes: 'from the other site' });
  });

  it('into a template of another image is refused, and `stable` goes on', async () => {
    await takeAndExport();
    await putTemplate(node.redis, 'other', webSpec({ image: 'dir:/other' }), undefined);
    const { id } = await requestCapture(node, 'other', { from });
    await captureGolden(node, id, idle);
    expect(await getOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code: 'golden_incompatible' } });
    expect((await resolveGolden(node.redis, 'api', 'stable')).id).toBe(first);
  });

  it.each(['image_not_found', 'image_pull_failed', 'archive_invalid', 'disk_reserve', 'golden_untrusted'] as const)(
    'that fails with %s leaves nothing, and `stable` goes on',
    async (code) => {
      await takeAndExport();
      node.engine.faults.failNext('import', code);
      const { id } = await requestCapture(node, 'api', { from });
      await captureGolden(node, id, idle);
      expect(await getOperation(node.redis, id)).toMatchObject({ state: 'failed', problem: { code } });
      expect(await requireGolden(node.redis, second)).toMatchObject({ state: 'failed', problem: { code } });
      expect(await node.engine.listGoldens()).toEqual([first]);
      expect((await resolveGolden(node.redis, 'api', 'stable')).id).toBe(first);
    },
  );

  it('is cancelled in the middle, and nothing of it is left', async () => {
    await takeAndExport();
    node.engine.timings.moveMs = forEverMs;
    const { id } = await requestCapture(node, 'api', { from });
    const running = captureGolden(node, id, idle);
    await untilStep(id, 'fetch');
    await cancelOperation(node.redis, id);
    await running;
    expect((await requireGolden(node.redis, second)).state).toBe('failed');
    expect(await node.engine.listGoldens()).toEqual([first]);
  });

  it('starts over with the next run after its worker was killed', async () => {
    await takeAndExport();
    node.engine.timings.moveMs = forEverMs;
    const { id } = await requestCapture(node, 'api', { from });
    const stopping = new AbortController();
    const dead = captureGolden(node, id, stopping.signal);
    await untilStep(id, 'fetch');
    stopping.abort(new Error('the worker stops'));
    await expect(dead).rejects.toThrow();
    node.engine.timings.moveMs = 0;
    await captureGolden(node, id, idle);
    expect(await getOperation(node.redis, id)).toMatchObject({ state: 'succeeded', result: { golden: second } });
  });
});

describe('moves over HTTP', () => {
  let call: Call;
  beforeEach(() => {
    call = roomApp('admin', (app) => {
      goldenRoutes(app, node);
      exportRoutes(app, node);
    });
  });

  it('are asked for with 202', async () => {
    await takeGolden(node, 'api');
    const exported = await call('POST', '/v1/templates/api/goldens/1/export', { to });
    expect(exported).toMatchObject({ status: 202, body: { kind: 'export-golden', target: first, state: 'queued' } });
    await exportGolden(node, OperationId.parse(exported.body.id), idle);
    const imported = await call('POST', '/v1/templates/api/goldens', { from: { image: to } });
    expect(imported).toMatchObject({ status: 202, body: { kind: 'capture-golden', target: second } });
    await captureGolden(node, OperationId.parse(imported.body.id), idle);
    const golden = await call('GET', '/v1/templates/api/goldens/2');
    expect(golden.body).toMatchObject({ state: 'ready', origin: { kind: 'image', from: to } });
  });

  it.each([
    [{}, 'to'],
    [{ to: 'nginx:1.27' }, 'to'],
    [{ to: 'dir:/rootfs' }, 'to'],
    [{ to: `docker://host/name@sha256:${'a'.repeat(64)}` }, 'to'],
    [{ to: 'archive:relative.tar' }, 'to'],
    [{ to: 'archive:/a/../b.tar' }, 'to'],
    [{ to: 'oci:/path:bad tag' }, 'to'],
    [{ to: 'archive:/a.tar', overwrite: 'yes' }, 'overwrite'],
  ])('to nowhere are refused: %j', async (body, path) => {
    await takeGolden(node, 'api');
    const answer = await call('POST', '/v1/templates/api/goldens/1/export', body);
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed', errors: [{ path }] } });
  });

  it.each([
    {},
    { image: 'dir:/rootfs' },
    { image: 'archive:/a.tar' },
    { image: to, archive: '/a.tar' },
    { archive: 'a.tar' },
    { archive: '/a/../../etc/shadow' },
    { pod: 'api-0' },
  ])('from nowhere are refused: %j', async (from) => {
    await putTemplate(node.redis, 'api', webSpec(), undefined);
    const answer = await call('POST', '/v1/templates/api/goldens', { from });
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
  });
});
