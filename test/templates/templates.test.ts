import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { listAliases } from '#src/goldens/aliases.ts';
import { reconcileGoldens } from '#src/goldens/reconcile-goldens.ts';
import { removeTemplate } from '#src/goldens/remove-template.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { createGolden, listGoldens } from '#src/goldens/store.ts';
import { createInstance } from '#src/instances/store.ts';
import { newInstanceId, newOperationId } from '#src/platform/ids.ts';
import { deleteTemplate } from '#src/templates/delete-template.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { getTemplate, listTemplates, requireTemplate } from '#src/templates/store.ts';
import { TemplateSpec, workloadOf } from '#src/templates/template.ts';
import { type MemoryNode, startMemoryNode, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { useTestRedis } from '#test/support/use-test-redis.ts';

const server = useTestRedis();

const put = (name: string, changes = {}, ifMatch?: string) => putTemplate(server.redis, name, webSpec(changes), ifMatch);

describe('a template', () => {
  it('is created, then replaced, and keeps when it was created', async () => {
    const first = await put('api');
    const second = await put('api', { image: 'dir:/other' });
    expect([first.created, second.created]).toEqual([true, false]);
    expect(second.template.createdAt).toBe(first.template.createdAt);
    expect(second.template.etag).not.toBe(first.template.etag);
    expect(await getTemplate(server.redis, 'api')).toEqual(second.template);
  });

  it('put again as it is does not change', async () => {
    const first = await put('api', { env: { A: '1' }, warmup: [{ http: { port: 8080, path: '/' } }] });
    const again = await put('api', { env: { A: '1' }, warmup: [{ http: { port: 8080, path: '/' } }] });
    expect(again).toEqual({ ...first, created: false });
  });

  it('is not replaced by one who read it before it changed', async () => {
    const { template } = await put('api');
    await put('api', { image: 'dir:/other' }, template.etag);
    await expect(put('api', { image: 'dir:/third' }, template.etag)).rejects.toMatchObject({ code: 'precondition_failed', status: 412 });
    await put('api', { image: 'dir:/third' }, '*');
    await expect(put('new', {}, '*')).rejects.toMatchObject({ code: 'precondition_failed' });
  });

  it('that asks for volumes is refused with a code of its own', async () => {
    const sent = { ...webSpec(), volumes: [] };
    await expect(putTemplate(server.redis, 'api', sent, undefined)).rejects.toMatchObject({ code: 'volumes_unsupported' });
  });

  it('is listed by name over all pages', async () => {
    for (const name of ['c', 'a', 'b']) await put(name);
    const first = await listTemplates(server.redis, { limit: 2 });
    const second = await listTemplates(server.redis, { limit: 2, cursor: first.nextCursor });
    expect([...first.items, ...second.items].map((template) => template.name)).toEqual(['a', 'b', 'c']);
    expect(second.nextCursor).toBeUndefined();
  });

  it('that does not exist is named in the refusal', async () => {
    await expect(requireTemplate(server.redis, 'api')).rejects.toThrow('there is no template "api"');
  });
});

describe('deleting a template', () => {
  let node: MemoryNode;
  beforeEach(async () => {
    node = await startMemoryNode(server.redis);
  });
  afterEach(() => node.engine.close());
  const remove = (ifMatch?: string, pools: string[] = []) => {
    const removeIt = (name: string, etag: string | undefined) => removeTemplate(node, name, etag);
    return deleteTemplate({ redis: server.redis, poolsOf: async () => pools, removeTemplate: removeIt }, 'api', ifMatch);
  };
  const goldens = async () => (await listGoldens(server.redis, 'api', { limit: 10 })).items.map(({ id }) => id);

  it('takes its goldens and aliases away with it, and their files follow', async () => {
    const golden = await takeGolden(node, 'api');
    await remove();
    expect([await getTemplate(server.redis, 'api'), await goldens(), await listAliases(server.redis, 'api')]).toEqual([undefined, [], {}]);
    expect(node.asked).toContain(`removeGolden ${golden}`);
    expect(await reconcileGoldens(node)).toMatchObject({ removed: [golden] });
  });

  it('leaves nothing to a new one of its name, even when it is cut off once Redis knows', async () => {
    await takeGolden(node, 'api');
    const crash = async () => Promise.reject(new Error('killed'));
    await expect(removeTemplate({ ...node, jobs: { ...node.jobs, removeGolden: crash } }, 'api')).rejects.toThrow('killed');
    await put('api', { image: 'dir:/other' });
    expect([await goldens(), await listAliases(server.redis, 'api')]).toEqual([[], {}]);
    expect(await takeGolden(node, 'api')).toBe('api@2');
  });

  it('lets no capture begin that read it before', async () => {
    const { template } = await put('api');
    await remove();
    const late = createGolden(server.redis, { template, node: 'n1', operation: newOperationId() });
    await expect(late).rejects.toMatchObject({ code: 'template_not_found' });
    expect(await goldens()).toEqual([]);
  });

  it('is refused while a pool uses it', async () => {
    await put('api');
    await expect(remove(undefined, ['web'])).rejects.toMatchObject({ code: 'template_in_use' });
  });

  it('is refused while an instance of it lives', async () => {
    await put('api');
    await createInstance(server.redis, { id: newInstanceId(), pool: '', template: 'api', node: 'n1', role: 'primer', state: 'starting' });
    await expect(remove()).rejects.toMatchObject({ code: 'template_in_use' });
  });

  it('is refused while it is being captured', async () => {
    await put('api');
    const { id } = await requestCapture(node, 'api', { promote: true });
    await expect(remove()).rejects.toMatchObject({ code: 'capture_in_progress', fix: expect.stringContaining(id) });
    expect((await getTemplate(server.redis, 'api'))?.name).toBe('api');
  });

  it('takes nothing away when its etag is another', async () => {
    const golden = await takeGolden(node, 'api');
    await expect(remove('stale')).rejects.toMatchObject({ code: 'precondition_failed' });
    expect([await goldens(), await listAliases(server.redis, 'api')]).toEqual([[golden], { stable: 1 }]);
  });
});

describe('a spec', () => {
  function ports(...pairs: [name: string, port: number][]) {
    return { ports: pairs.map(([name, port]) => ({ name, port })) };
  }

  it.each([
    [{ cron: '61 * * * *' }, 'cron', 'range 0-59'],
    [{ cron: '0 0 31 2 *' }, 'cron', 'day of month'],
    [{ cron: '0 4 * *  ' }, 'cron', 'five or six fields'],
    [{ cron: '@midnight' }, 'cron', 'five or six fields'],
    [{ cron: 'H 4 * * 1' }, 'cron', 'five or six fields'],
    [{ cron: '0 4 * * 1', timezone: 'Mars/Base' }, 'timezone', 'Europe/Berlin'],
    [{ onDigestChange: { everyMs: 10 } }, 'onDigestChange.everyMs', '10000'],
    [{ promote: 'never' }, 'promote', 'auto'],
  ])('with the refresh %j is refused by %s', (refresh, path, message) => {
    const parsed = TemplateSpec.safeParse({ image: 'nginx', ready: { tcp: { port: 80 } }, refresh });
    expect(parsed.error?.issues.map((issue) => [issue.path.join('.'), issue.message])).toEqual([
      [`refresh.${path}`, expect.stringContaining(message)],
    ]);
  });

  it.each([
    [{ hooks: { bind: {} } }, ['hooks', 'bind']],
    [{ hooks: { bind: { http: { port: 1, path: '/' }, exec: { command: ['x'] } } } }, ['hooks', 'bind']],
    [{ hooks: { bind: { exec: { command: ['x'] }, timeoutMs: 10_001 } } }, ['hooks', 'bind', 'timeoutMs']],
    [{ hooks: { afterRestore: { exec: { command: ['x\0'] } } } }, ['hooks', 'afterRestore', 'exec', 'command', 0]],
    [{ hooks: { beforeCheckpoint: { exec: { command: [] } } } }, ['hooks', 'beforeCheckpoint', 'exec', 'command']],
    [{ unique: { http: { port: 0, path: '/' } } }, ['unique', 'http', 'port']],
    [{ unique: {} }, ['unique', 'http']],
    [{ image: 'nginx:' }, ['image']],
    [{ image: 'Nginx' }, ['image']],
    [{ image: 'dir:relative' }, ['image']],
    [{ image: 'https://host/nginx' }, ['image']],
    [JSON.parse('{"env":{"A":"1","__proto__":"2"}}'), ['env', '__proto__']],
    [JSON.parse('{"env":{"__proto__":{"A":"1"}}}'), ['env', '__proto__']],
    [ports(['web', 80], ['api', 81], ['web', 82]), ['ports', 2, 'name']],
    [ports(['web', 80], ['api', 80]), ['ports', 1, 'port']],
  ])('with %j is refused where it is wrong', (field, path) => {
    const parsed = TemplateSpec.safeParse({ image: 'nginx', ready: { tcp: { port: 80 } }, ...field });
    expect(parsed.error?.issues.map((issue) => issue.path)).toEqual([path]);
  });

  it('gives hooks five seconds unless told otherwise', () => {
    const spec = webSpec({ hooks: { bind: { exec: { command: ['x'] } } } });
    expect(spec.hooks?.bind?.timeoutMs).toBe(5000);
  });

  it('with an unknown field is refused', () => {
    expect(TemplateSpec.safeParse({ image: 'nginx', ready: { tcp: { port: 80 } }, imagee: 1 }).success).toBe(false);
  });

  it('gives the engine what concerns it', () => {
    const spec = webSpec({ env: { A: '1' }, unique: { http: { port: 80, path: '/id' } } });
    expect(workloadOf(spec)).toMatchObject({ image: 'dir:/app', env: { A: '1' } });
    for (const field of ['ready', 'unique']) expect(Object.keys(workloadOf(spec))).not.toContain(field);
  });
});
