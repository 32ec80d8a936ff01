import { beforeEach, describe, expect, it } from 'vitest';
import { aliasRoutes } from '#src/goldens/alias-routes.ts';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { refreshIfImageChanged, refreshOnSchedule } from '#src/goldens/refresh-by-itself.ts';
import { refreshRoutes } from '#src/goldens/refresh-routes.ts';
import { openRefreshSchedules, type RefreshSchedules } from '#src/goldens/refresh-schedules.ts';
import { removeTemplate } from '#src/goldens/remove-template.ts';
import { goldenRoutes } from '#src/goldens/routes.ts';
import { requireGolden } from '#src/goldens/store.ts';
import { listOperations } from '#src/operations/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import { readEventsAfter } from '#src/platform/events.ts';
import { goldenId, OperationId } from '#src/platform/ids.ts';
import { controlQueue, openQueue } from '#src/platform/queue.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { idle, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { type Call, roomApp } from '#test/support/room-app.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const second = goldenId('api', 2);
const warned: unknown[] = [];
const log = { warn: (told: unknown) => void warned.push(told) };
let call: Call;

beforeEach(() => {
  warned.length = 0;
  call = roomApp('admin', (app) => {
    goldenRoutes(app, node);
    aliasRoutes(app, node);
    refreshRoutes(app, node);
  });
});

const refreshes = async () => (await listOperations(node.redis, { limit: 50 })).items.filter(({ kind }) => kind === 'refresh-template');
const finish = async (id: string | undefined) => captureGolden(node, OperationId.parse(id), idle);
const stable = async () => (await call('GET', '/v1/templates/api/aliases/stable')).body;

describe('a refresh by REST', () => {
  it('takes the next golden and promotes it', async () => {
    await takeGolden(node, 'api');
    const asked = await call('POST', '/v1/templates/api/refresh');
    expect(asked).toMatchObject({ status: 202, body: { kind: 'refresh-template', target: second, state: 'queued' } });
    await finish(asked.body.id);
    expect(await stable()).toMatchObject({ golden: 2, previous: 1, history: [{ golden: 2, by: 'test' }, { golden: 1 }] });
  });

  it('asked for twice under one key is one; another while it is under way is refused', async () => {
    await takeGolden(node, 'api');
    const refresh = (key: string) => call('POST', '/v1/templates/api/refresh', undefined, { 'idempotency-key': key });
    const [one, same] = [await refresh('a'), await refresh('a')];
    expect(same).toMatchObject({ status: 202, body: { id: one.body.id } });
    expect(await refresh('b')).toMatchObject({ status: 409, body: { code: 'capture_in_progress' } });
    await finish(one.body.id);
    expect((await refresh('b')).status).toBe(202);
  });

  it('of a template that is promoted by hand leaves the alias, and the request of one capture counts more', async () => {
    await takeGolden(node, 'api', webSpec({ refresh: { promote: 'manual' } }));
    expect(await stable()).toMatchObject({ golden: 1 });
    await finish((await call('POST', '/v1/templates/api/refresh')).body.id);
    await finish((await call('POST', '/v1/templates/api/goldens', {})).body.id);
    expect((await requireGolden(node.redis, goldenId('api', 3))).state).toBe('ready');
    expect(await stable()).toMatchObject({ golden: 1 });
    await finish((await call('POST', '/v1/templates/api/goldens', { promote: true })).body.id);
    expect(await stable()).toMatchObject({ golden: 4 });
  });

  it('whose app is broken promotes nothing', async () => {
    await takeGolden(node, 'api');
    await putTemplate(node.redis, 'api', webSpec({ env: { APP_EXIT_CODE: '3' } }), undefined);
    await finish((await call('POST', '/v1/templates/api/refresh')).body.id);
    expect((await refreshes())[0]).toMatchObject({ state: 'failed', problem: { code: 'app_exited' } });
    expect(await stable()).toMatchObject({ golden: 1 });
  });

  it('of a template that does not exist is refused', async () => {
    expect(await call('POST', '/v1/templates/nope/refresh')).toMatchObject({ status: 404, body: { code: 'template_not_found' } });
  });
});

describe('an alias', () => {
  beforeEach(async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api');
  });

  it('is moved only by who knows where it points', async () => {
    const found = await call('GET', '/v1/templates/api/aliases/stable');
    const move = (golden: number, ifMatch: string) => call('PUT', '/v1/templates/api/aliases/stable', { golden }, { 'if-match': ifMatch });
    const etag = found.headers.get('etag') ?? '';
    expect(await move(1, '"none"')).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
    const moved = await move(1, etag);
    expect(moved).toMatchObject({ status: 200, body: { golden: 1, previous: 2 } });
    expect((await move(2, etag)).status).toBe(412);
    expect((await move(2, moved.headers.get('etag') ?? '')).status).toBe(200);
    expect((await move(2, '*')).status).toBe(200); // points there already
    expect((await call('PUT', '/v1/templates/api/aliases/new', { golden: 1 }, { 'if-match': '*' })).status).toBe(412);
    expect((await call('GET', '/v1/templates/api/aliases/new')).body).toMatchObject({ code: 'alias_not_found' });
  });

  it('tells its last ten moves, when and by whom, in events too', async () => {
    for (let move = 0; move < 12; move++) await call('PUT', '/v1/templates/api/aliases/stable', { golden: 1 + (move % 2) });
    const { body } = await call('GET', '/v1/templates/api/aliases/stable');
    expect(body).toMatchObject({ golden: 2, previous: 1, history: { length: 10 } });
    expect(await call('GET', '/v1/templates/api/aliases')).toMatchObject({ body: { items: [body] } });
    const [last] = (await readEventsAfter(node.redis, '0', 1000)).filter(({ type }) => type === 'alias.moved').slice(-1);
    expect(last).toMatchObject({ alias: 'stable', from: 'api@1', to: 'api@2', actor: 'test' });
  });

  it('goes with its template', async () => {
    await removeTemplate(node, 'api');
    expect(await node.redis.exists('{thaw}:aliases:api', '{thaw}:alias-moves:api')).toBe(0);
  });
});

describe('the schedules of templates', () => {
  const with_ = async (work: (schedules: RefreshSchedules) => Promise<void>) => {
    const schedules = openRefreshSchedules(node.redis);
    try {
      await work(schedules);
    } finally {
      await schedules.close();
    }
  };
  const scheduled = async () => {
    const queue = openQueue(controlQueue, node.redis);
    const found = await queue.getJobSchedulers(0, -1);
    await queue.close();
    return found.map(({ key, pattern, tz, every, next }) => ({ key, pattern, tz, every, next }));
  };
  const image = 'docker://127.0.0.1:5000/app:1';

  it('follow what the template says, also when it is gone', () =>
    with_(async ({ keep }) => {
      await putTemplate(
        node.redis,
        'api',
        webSpec({ image, refresh: { cron: '0 4 * * 1', timezone: 'Europe/Berlin', onDigestChange: {} } }),
        undefined,
      );
      await keep('api');
      expect(await scheduled()).toEqual(
        expect.arrayContaining([
          expect.objectContaining({ key: 'refresh-template-api', pattern: '0 4 * * 1', tz: 'Europe/Berlin' }),
          expect.objectContaining({ key: 'check-image-api', every: 900_000 }),
        ]),
      );
      await putTemplate(node.redis, 'api', webSpec({ refresh: { cron: '30 5 * * *' } }), undefined);
      await keep('api');
      expect(await scheduled()).toMatchObject([{ key: 'refresh-template-api', pattern: '30 5 * * *', tz: 'UTC' }]);
      await removeTemplate(node, 'api');
      await keep('api');
      expect(await scheduled()).toEqual([]);
    }));

  it('keep their next time when nothing changed, and agree with all templates after a crash', () =>
    with_(async ({ keep, keepAll }) => {
      await putTemplate(node.redis, 'api', webSpec({ image, refresh: { onDigestChange: { everyMs: 3_600_000 } } }), undefined);
      await keep('api');
      const before = await scheduled();
      await putTemplate(node.redis, 'new', webSpec({ refresh: { cron: '0 4 * * *' } }), undefined);
      await putTemplate(node.redis, 'old', webSpec({ refresh: { cron: '0 4 * * *' } }), undefined);
      await keep('old');
      await removeTemplate(node, 'old');
      await keepAll();
      const after = await scheduled();
      expect(after.map(({ key }) => key).toSorted()).toEqual(['check-image-api', 'refresh-template-new']);
      expect(after).toEqual(expect.arrayContaining(before));
    }));

  it('are for images by their tag in a registry alone', async () => {
    for (const never of ['dir:/app', 'oci:/app:1', `nginx@sha256:${'0'.repeat(64)}`]) {
      const refused = putTemplate(node.redis, 'api', webSpec({ image: never, refresh: { onDigestChange: {} } }), undefined);
      await expect(refused).rejects.toMatchObject({ code: 'validation_failed', details: { errors: [{ path: 'refresh.onDigestChange' }] } });
    }
  });
});

describe('a refresh that is due', () => {
  it('is one, however often its job runs, and none while a golden is being taken', async () => {
    await takeGolden(node, 'api');
    const deps = { ...node, log };
    await refreshOnSchedule(deps, 'api', 'repeat:1');
    await refreshOnSchedule(deps, 'api', 'repeat:1');
    await refreshOnSchedule(deps, 'api', 'repeat:2');
    expect(await refreshes()).toMatchObject([{ target: second }]);
    expect(warned).toEqual([]);
  });

  it('without a node that could do it is told and not lost sight of', async () => {
    await takeGolden(node, 'api');
    await node.redis.del('{thaw}:nodes');
    await refreshOnSchedule({ ...node, log }, 'api', 'repeat:1');
    expect((await readEventsAfter(node.redis, '0', 1000)).at(-1)).toMatchObject({
      type: 'refresh.failed',
      template: 'api',
      reason: 'no_node',
    });
    expect(warned).toHaveLength(1);
  });
});

describe('an image whose tag has moved', () => {
  const [before, after] = [`sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`];
  const spec = webSpec({ image: 'docker://127.0.0.1:5000/app:1', refresh: { onDigestChange: {} } });
  const check = (imageDigest: () => Promise<string>) => refreshIfImageChanged({ ...node, log, imageDigest }, 'api', idle);

  beforeEach(async () => {
    await takeGolden(node, 'api', spec);
    await node.redis.hset('{thaw}:golden:api@1', 'imageDigest', before);
  });

  it('is refreshed, and one that has not is not', async () => {
    await check(async () => before);
    expect(await refreshes()).toEqual([]);
    await check(async () => after);
    await check(async () => after);
    expect(await refreshes()).toMatchObject([{ target: second }]);
    expect((await requireGolden(node.redis, second)).notes).toBe(`${spec.image} stands for ${after} now`);
  });

  it('and of which no golden comes about is not tried at each look', async () => {
    await check(async () => after);
    node.engine.faults.failNext('start', 'app_start_failed');
    await finish((await refreshes())[0]?.id);
    await check(async () => after);
    expect(await refreshes()).toMatchObject([{ state: 'failed' }]);
    expect(await stable()).toMatchObject({ golden: 1 });
  });

  it('and was rolled back is not refreshed again', async () => {
    await check(async () => after);
    await finish((await refreshes())[0]?.id);
    await node.redis.hset(
      '{thaw}:golden:api@2',
      'imageDigest',
      after,
      'problem',
      JSON.stringify({ code: 'clone_exited', class: 'golden', message: 'no' }),
    );
    await check(async () => after);
    expect(await refreshes()).toHaveLength(1);
  });

  it('is asked for again when the registry does not answer', async () => {
    await check(() => Promise.reject(new ThawError('image_pull_failed', 'the registry does not answer')));
    expect((await readEventsAfter(node.redis, '0', 1000)).at(-1)).toMatchObject({ type: 'refresh.failed', reason: 'image_pull_failed' });
    expect(warned).toHaveLength(1);
    await check(async () => after);
    expect(await refreshes()).toHaveLength(1);
  });

  it('is not known where no golden is of an image: nothing is refreshed', async () => {
    await node.redis.hdel('{thaw}:golden:api@1', 'imageDigest');
    await check(async () => after);
    expect(await refreshes()).toEqual([]);
  });
});
