import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { embeddedRedisUrl } from '#src/platform/embedded-redis.ts';
import { connectRedis, keyPrefix } from '#src/platform/redis.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { type ProcessName, startThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { askClaimed, eventually, requireSilence } from '#test/support/thaw-rest.ts';
import { type Held, startCustomers, talk } from './customers.ts';

const poolSize = 4;

/** Laws 1, 2, 3 and 10, with real processes killed and real instances asked. */
describe('kill -9', () => {
  let thaw: ThawProcess;

  beforeAll(async () => {
    thaw = await startThaw();
    await thaw.rest.putTemplate('web', testTemplate(thaw.image));
    expect((await thaw.rest.capture('web')).state).toBe('succeeded');
    await thaw.rest.putPool('web', { template: 'web', size: { ready: poolSize, max: 24 } });
    await thaw.rest.untilWarm('web', poolSize);
  });
  afterEach(async () => {
    for (const { id, state } of await thaw.rest.listClaims()) if (state === 'active') await thaw.rest.release(id);
    await thaw.rest.untilWarm('web', poolSize);
  });
  afterAll(() => thaw?.close());

  async function hold(count: number, tenant: string): Promise<Held[]> {
    const claims = await Promise.all(Array.from({ length: count }, () => thaw.rest.claim('web', { tenant })));
    return Promise.all(claims.map(talk));
  }

  /** Each is active over REST, on the instance that was answered, which counts on from where it stood. */
  async function expectHeld(held: readonly Held[]): Promise<void> {
    for (const one of held) {
      expect(await thaw.rest.getClaim(one.claim.id)).toMatchObject({ state: 'active', instance: { id: one.claim.instance.id } });
      const { token, counter, binding } = await askClaimed(one.claim);
      expect({ token, counter, claim: binding?.claim }).toEqual({ token: one.token, counter: one.counter + 1, claim: one.claim.id });
      one.counter = counter;
    }
    expect(new Set(held.map(({ claim }) => claim.instance.id)).size).toBe(held.length);
  }

  it.each<ProcessName>(['api', 'worker', 'agent', 'redis'])('of %s loses no claim and gives no instance twice', async (victim) => {
    const tenant = `through-${victim}`;
    const held = await hold(2, tenant);
    const customers = startCustomers(thaw.rest, tenant);
    await customers.untilAnswered(2);
    const before = thaw.pids();
    await thaw.kill(victim);
    await thaw.untilReplaced(victim, before);
    await customers.untilAnswered(2);
    const made = await customers.stop();

    await expectHeld([...held, ...made.kept]);
    const all = await thaw.rest.listClaims(tenant);
    // What nobody was answered is held by nobody; and no instance stands in two claims, whatever became of them.
    const answered = new Set([...held.map(({ claim }) => claim.id), ...made.answered]);
    expect(all.filter(({ id, state }) => state !== 'failed' && !answered.has(id))).toEqual([]);
    expect(new Set(all.map(({ instance }) => instance.id)).size).toBe(all.length);
    await thaw.rest.untilWarm('web', poolSize);
    expect(thaw.pids().up).toBe(before.up);
  });

  it.each<[ProcessName, 'gateway' | 'direct']>([
    ['worker', 'gateway'],
    ['agent', 'gateway'],
    ['api', 'direct'],
  ])('of %s cuts no connection to an instance that does not pass through it (%s)', async (victim, way) => {
    const [held] = await hold(1, `connected-${victim}`);
    if (held === undefined) throw new Error('nothing is held');
    const { id, instance } = held.claim;
    const [endpoint] = instance.endpoints;
    const url = way === 'direct' ? `http://${endpoint?.host}:${endpoint?.port}` : (endpoint?.url ?? '');
    const headers: Record<string, string> = way === 'direct' ? {} : { 'Thaw-Token': await thaw.rest.mintToken(id) };
    const answer = fetch(`${url.replace(/\/$/, '')}/hook?sleepMs=6000`, { method: 'POST', body: 'still here', headers });
    const before = thaw.pids();
    await thaw.kill(victim);
    await thaw.untilReplaced(victim, before);
    expect((await answer).status).toBe(403); // the app's own answer, late: this call carries no hook token
    await expectHeld([held]);
  });

  it('of thaw up ends its processes, and the next one adopts what runs', async () => {
    const held = await hold(2, 'through-up');
    const before = thaw.pids();
    const warm = await listWarm();
    await thaw.kill('up');
    await expectStillCounting(held);
    await thaw.start();
    await expectHeld(held);
    expect(await listWarm()).toEqual(expect.arrayContaining(warm));
    const after = thaw.pids();
    expect(after.redis).toBe(before.redis);
    for (const name of ['api', 'worker', 'agent'] as const) expect(after[name], name).not.toBe(before[name]);
  });

  it('of everything at once loses no claim, and ends what expired meanwhile before anything is handed out', async () => {
    const held = await hold(2, 'through-all');
    const short = await thaw.rest.claim('web', { tenant: 'too-late', leaseMs: 1000 });
    await thaw.kill('up', 'api', 'worker', 'agent', 'redis');
    await expectStillCounting(held);
    await eventually(async () => expect(Date.now()).toBeGreaterThan(Date.parse(short.expiresAt)));
    await thaw.start();
    const next = await thaw.rest.claim('web', { tenant: 'next' });
    const expired = await thaw.rest.getClaim(short.id);
    expect(expired).toMatchObject({ state: 'expired', endDetail: expect.stringContaining('lease') });
    expect(Date.parse(expired.endedAt ?? '')).toBeLessThan(Date.parse(next.createdAt));
    await eventually(() => requireSilence(short));
    await expectHeld([...held, await talk(next)]);
  });

  it('of the machine, which another boot id tells, ends every instance and its claim as lost', async () => {
    const held = await hold(2, 'through-reboot');
    const warm = await listWarm();
    await thaw.kill('up');
    await eventually(async () => expect(Object.keys(thaw.pids())).toEqual(['redis'])); // nobody writes a heartbeat any more
    await pretendAnotherBoot(thaw);
    await thaw.start();
    for (const { claim } of held) {
      expect(await thaw.rest.getClaim(claim.id)).toMatchObject({
        state: 'lost',
        endReason: 'node_lost',
        endDetail: expect.stringContaining('was restarted'),
      });
      await requireSilence(claim);
    }
    await thaw.rest.untilWarm('web', poolSize);
    expect((await listWarm()).filter((id) => warm.includes(id))).toEqual([]);
  });

  async function listWarm(): Promise<string[]> {
    const instances = await thaw.rest.listInstances();
    return instances.flatMap(({ id, state }) => (state === 'warm' ? [id] : []));
  }
});

/** Without Thaw: instances are no children of it. */
async function expectStillCounting(held: readonly Held[]): Promise<void> {
  for (const one of held) {
    const { token, counter } = await askClaimed(one.claim);
    expect({ token, counter }).toEqual({ token: one.token, counter: one.counter + 1 });
    one.counter = counter;
  }
}

/** As after a restart of the machine: the last heartbeat speaks of another boot. */
async function pretendAnotherBoot({ config }: ThawProcess): Promise<void> {
  const redis = connectRedis(embeddedRedisUrl(config.paths));
  try {
    expect(await redis.hset(`${keyPrefix}node:${config.node}`, 'bootId', crypto.randomUUID())).toBe(0); // the field was there
  } finally {
    redis.disconnect();
  }
}
