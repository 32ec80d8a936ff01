import { beforeEach, describe, expect, it } from 'vitest';
import { removeTemplate } from '#src/goldens/remove-template.ts';
import { templateRoutes } from '#src/templates/routes.ts';
import { noGoldenJobs } from '#test/support/no-golden-jobs.ts';
import { type Call, roomApp } from '#test/support/room-app.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const server = useTestRedis();
let call: Call;
const spec = { image: 'nginx:1.27', ports: [{ name: 'web', port: 80 }], ready: { http: { port: 80, path: '/' } } };

beforeEach(async () => {
  call = roomApp('admin', (app) => templateRoutes(app, deps()));
});

const deps = () => ({
  redis: server.redis,
  poolsOf: async () => [],
  keepSchedule: async () => {},
  removeTemplate: (name: string, ifMatch: string | undefined) => removeTemplate({ redis: server.redis, jobs: noGoldenJobs }, name, ifMatch),
});

describe('templates over HTTP', () => {
  it('are created with 201, replaced with 200, read with their ETag and deleted with 204', async () => {
    const created = await call('PUT', '/v1/templates/api', spec);
    expect(created).toMatchObject({ status: 201, body: { name: 'api', image: 'nginx:1.27', resources: { cpus: 1 } } });
    expect(created.headers.get('etag')).toBe(`"${created.body.etag}"`);
    expect((await call('PUT', '/v1/templates/api', { ...spec, env: { A: '1' } })).status).toBe(200);
    const read = await call('GET', '/v1/templates/api');
    expect(read).toMatchObject({ status: 200, body: { env: { A: '1' }, createdAt: created.body.createdAt } });
    expect((await call('GET', '/v1/templates')).body).toEqual({ items: [read.body] });
    expect((await call('DELETE', '/v1/templates/api')).status).toBe(204);
    expect(await call('GET', '/v1/templates/api')).toMatchObject({ status: 404, body: { code: 'template_not_found' } });
  });

  it('that were changed by another are refused with 412', async () => {
    const { headers } = await call('PUT', '/v1/templates/api', spec);
    const ifMatch = { 'if-match': headers.get('etag') ?? '' };
    expect((await call('PUT', '/v1/templates/api', { ...spec, env: { A: '1' } }, ifMatch)).status).toBe(200);
    expect(await call('PUT', '/v1/templates/api', spec, ifMatch)).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
    expect((await call('DELETE', '/v1/templates/api', undefined, ifMatch)).status).toBe(412);
  });

  it('that do not fit are refused with the path of each wrong field', async () => {
    const answer = await call('PUT', '/v1/templates/api', {
      ...spec,
      refresh: { cron: '61 * * * *' },
      imgae: 'x',
      ports: [{ name: 'web', port: 0 }],
    });
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
    const paths = answer.body.errors?.map((error) => error.path);
    expect(paths?.toSorted()).toEqual(['imgae', 'ports[0].port', 'refresh.cron']);
  });

  it('with an image that no one can mean, or ports that can not be told apart, are refused there and not at the capture', async () => {
    const ports = [
      { name: 'web', port: 80 },
      { name: 'web', port: 81 },
    ];
    const answer = await call('PUT', '/v1/templates/api', { ...spec, image: 'nginx:', ports, env: JSON.parse('{"__proto__":"x"}') });
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed' } });
    expect(answer.body.errors?.map((error) => error.path).toSorted()).toEqual(['env.__proto__', 'image', 'ports[1].name']);
  });

  it('with volumes are refused with their own code', async () => {
    const answer = await call('PUT', '/v1/templates/api', { ...spec, volumes: [{ name: 'data' }] });
    expect(answer).toMatchObject({ status: 422, body: { code: 'volumes_unsupported' } });
  });

  it("are the admin's", async () => {
    for (const role of ['backend', 'tenant'] as const) {
      const asOther = roomApp(role, (app) => templateRoutes(app, deps()));
      expect(await asOther('GET', '/v1/templates')).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    }
  });
});
