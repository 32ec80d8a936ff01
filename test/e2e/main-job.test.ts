import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedRedisUrl } from '#src/platform/embedded-redis.ts';
import { connectRedis, type Redis } from '#src/platform/redis.ts';
import { run } from '#src/platform/subprocess.ts';
import type { AppState } from '#test/contract/ask-app.ts';
import { counterAtCheckpoint, testTemplate } from '#test/support/test-template.ts';
import { startThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { askClaimed, type Claim, eventually, type Operation, RefusedError, requireSilence } from '#test/support/thaw-rest.ts';

const tenants = ['acme-of-this-test', 'globex-of-this-test', 'initech-of-this-test'] as const;
const poolSize = 3;

/** The whole way with real containers: REST on one side, the instances' own answers on the other. */
describe('the main job', () => {
  const canary = `canary-${crypto.randomUUID()}`;
  let thaw: ThawProcess;
  let capture: Operation;
  let claims: Claim[];
  let answers: AppState[];

  beforeAll(async () => {
    thaw = await startThaw();
    await thaw.rest.putTemplate('web', testTemplate(thaw.image));
    capture = await thaw.rest.capture('web');
    await thaw.rest.putPool('web', { template: 'web', size: { ready: poolSize, max: 2 * poolSize } });
    await thaw.rest.untilWarm('web', poolSize);
    claims = await Promise.all(tenants.map(claimFor));
    answers = await Promise.all(claims.map((claim) => askClaimed(claim)));
  });
  afterAll(() => thaw?.close());

  function claimFor(tenant: string): Promise<Claim> {
    return thaw.rest.claim('web', { tenant, env: { PLAN: 'gold' }, secrets: { API_TOKEN: canary }, labels: { order: '4711' } });
  }

  it('a golden is captured in named steps, proven and promoted', () => {
    expect(capture.steps.map(({ name, state }) => `${name} ${state}`)).toEqual(
      ['start', 'ready', 'warmup', 'checkpoint', 'verify', 'promote'].map((name) => `${name} succeeded`),
    );
    expect(capture).toMatchObject({ target: 'web@1', state: 'succeeded', result: { golden: 'web@1', promoted: true } });
  });

  it('clones go on from the checkpoint: all have the token of the primer and count on from its counter', async () => {
    expect(new Set(answers.map(({ token }) => token)).size).toBe(1);
    expect(answers.map(({ counter }) => counter)).toEqual(tenants.map(() => counterAtCheckpoint + 1));
    const again = await Promise.all(claims.map((claim) => askClaimed(claim)));
    expect(again.map(({ counter }) => counter)).toEqual(tenants.map(() => counterAtCheckpoint + 2));
  });

  it('no two clones have the same hostname, machine id or address', () => {
    expect(new Set(claims.map(({ instance }) => instance.id)).size).toBe(tenants.length);
    expect(new Set(claims.map(({ instance }) => instance.endpoints[0]?.url)).size).toBe(tenants.length);
    expect(new Set(answers.map(({ hostname }) => hostname)).size).toBe(tenants.length);
    expect(new Set(answers.map(({ machineId }) => machineId)).size).toBe(tenants.length);
  });

  it('the app of a claimed instance finds the binding of its own claim', () => {
    const expected = claims.map(({ id, tenant, expiresAt, instance }) => ({
      ...{ instance: instance.id, claim: id, tenant, expiresAt, env: { PLAN: 'gold' }, labels: { order: '4711' } },
      secrets: ['API_TOKEN'], // the test app answers their names only
      identity: { instance: instance.id, tenant, seed: expect.stringMatching(/^[0-9a-f]{64}$/) },
    }));
    expect(answers.map(({ binding }) => binding)).toEqual(expected);
  });

  it('a release destroys the instance and the pool fills again; the second release answers the same', async () => {
    await thaw.rest.untilWarm('web', poolSize);
    const [claim] = claims.splice(0, 1);
    if (claim === undefined) throw new Error('no claim');
    const released = await thaw.rest.release(claim.id);
    expect(released).toMatchObject({ id: claim.id, state: 'released' });
    await eventually(async () => expect((await thaw.rest.getInstance(claim.instance.id)).state).toBe('destroyed'));
    await requireSilence(claim);
    expect(readdirSync(thaw.config.paths.instances)).not.toContain(claim.instance.id);
    expect(await thaw.rest.release(claim.id)).toEqual(released);
  });

  it('a tenant who comes next gets an instance that nobody had', async () => {
    const claim = await claimFor('next-of-this-test');
    const { counter, binding } = await askClaimed(claim);
    expect([counter, binding?.claim]).toEqual([counterAtCheckpoint + 1, claim.id]);
    claims.push(claim);
    await thaw.rest.untilWarm('web', poolSize);
  });

  it('no secret of a claim is in Redis, its files, a log or any file of the disk, though its tenant is', async () => {
    const refused = thaw.rest.claim('web', { tenant: tenants[0], secrets: { API_TOKEN: canary }, unknown: canary });
    await expect(refused).rejects.toThrow(RefusedError);
    await using redis = connectOwnRedis(thaw);
    const records = await readEverything(redis.client);
    expect(records.filter((record) => record.includes(tenants[1]))).not.toEqual([]);
    expect(records.filter((record) => record.includes(canary))).toEqual([]);

    const { paths } = thaw.config;
    expect((await filesWith(tenants[1], paths.dataDir, thaw.log)).filter((file) => file.startsWith(`${paths.redis}/`))).not.toEqual([]);
    expect(await filesWith(canary, paths.dataDir, thaw.log)).toEqual([]);
    expect(await filesWith(canary, paths.run)).toHaveLength(claims.length); // a tmpfs: what the apps read, of live claims only
  });
});

function connectOwnRedis({ config }: ThawProcess) {
  const client = connectRedis(embeddedRedisUrl(config.paths));
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

/** One text per key. */
async function readEverything(redis: Redis): Promise<string[]> {
  const keys = await redis.keys('*');
  return Promise.all(keys.map(async (key) => `${key} ${JSON.stringify(await readKey(redis, key))}`));
}

async function readKey(redis: Redis, key: string): Promise<unknown> {
  const type = await redis.type(key);
  switch (type) {
    case 'string':
      return redis.get(key);
    case 'hash':
      return redis.hgetall(key);
    case 'list':
      return redis.lrange(key, 0, '-1');
    case 'set':
      return redis.smembers(key);
    case 'zset':
      return redis.zrange(key, 0, '-1');
    case 'stream':
      return redis.xrange(key, '-', '+');
    case 'none':
      return undefined; // expired meanwhile
    default:
      throw new Error(`${key} is a ${type}, which this test can not read`);
  }
}

/** Files below the places that hold the text; what else is mounted there (each a tmpfs, or an overlay over files that are looked at) is left out. */
async function filesWith(text: string, ...places: string[]): Promise<string[]> {
  const search = ['find', ...places, '-xdev', '-type', 'f', '-exec', 'grep', '-lF', '--', text, '{}', '+'] as const;
  const { stdout } = await run(search, { timeoutMs: 30_000, okCodes: [1] }); // 1: none
  return stdout.split('\n').filter((file) => file !== '');
}
