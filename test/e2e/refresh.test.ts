import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { counterAtCheckpoint, testTemplate } from '#test/support/test-template.ts';
import { startThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { askClaimed, eventually } from '#test/support/thaw-rest.ts';

const ready = 5;
const claimEveryMs = 300;
/** A machine that is busy otherwise restores slowly: claims come no faster than the pool can be filled at all. */
const spare = 2;
const patienceMs = 100_000;

const Event = z.looseObject({
  type: z.string(),
  instance: z.string().optional(),
  from: z.string().optional(),
  to: z.string().optional(),
  reason: z.string().optional(),
});
type Event = z.infer<typeof Event>;
const Status = z.object({
  status: z.looseObject({
    warm: z.number(),
    outdated: z.number(),
    rollout: z.looseObject({ state: z.string(), reason: z.string().optional() }).optional(),
  }),
});

/** A refresh of a pool of real clones that tenants claim from all the while. */
describe('a refresh', () => {
  let thaw: ThawProcess;
  beforeAll(async () => {
    thaw = await startThaw();
    await thaw.rest.putTemplate('web', testTemplate(thaw.image));
    expect((await thaw.rest.capture('web')).problem).toBeUndefined();
    await thaw.rest.putPool('web', { template: 'web', size: { ready, max: 20 }, rollout: { surge: 3, soakMs: 5000 } });
    await thaw.rest.untilWarm('web', ready);
  });
  afterAll(() => thaw?.close());

  async function ask(method: string, path: string): Promise<unknown> {
    const headers = { authorization: `Bearer ${thaw.apiKey}`, accept: 'application/json' };
    const response = await fetch(`${thaw.config.url}${path}`, { method, headers, signal: AbortSignal.timeout(10_000) });
    expect(response.ok, `${method} ${path}: ${response.status}`).toBe(true);
    return response.json();
  }

  /** All of the pool, oldest first. */
  async function events(): Promise<Event[]> {
    const Page = z.object({ items: z.array(Event), nextCursor: z.string().optional() });
    const items: Event[] = [];
    for (let cursor = ''; ; ) {
      const page = Page.parse(await ask('GET', `/v1/events?pool=web&limit=200${cursor}`));
      items.push(...page.items);
      if (page.nextCursor === undefined) return items.toReversed();
      cursor = `&cursor=${page.nextCursor}`;
    }
  }

  const status = async () => Status.parse(await ask('GET', '/v1/pools/web')).status;

  /** Claims, asks and releases one instance after the other, none of which waits, until `isOver`; answers the golden of each. */
  async function claimSteadily(isOver: () => Promise<boolean>, everyMs = claimEveryMs): Promise<string[]> {
    const goldens: string[] = [];
    for (const deadline = Date.now() + patienceMs; Date.now() < deadline; ) {
      const isLast = await isOver();
      const claim = await thaw.rest.claim('web', { tenant: 'acme' });
      // One of the bad golden may end between its claim and the question.
      if (claim.instance.golden !== 'web@3') expect((await askClaimed(claim)).counter).toBe(counterAtCheckpoint + 1);
      await thaw.rest.release(claim.id);
      goldens.push(claim.instance.golden);
      if (isLast) return goldens;
      await setTimeout(everyMs);
      await eventually(async () => expect((await status()).warm).toBeGreaterThanOrEqual(spare));
    }
    throw new Error(`not over within ${patienceMs} ms; the pool is ${JSON.stringify(await status())}`);
  }

  it('under a steady load of claims refuses none, keeps what is ready, and then gives the new golden to every claim', async () => {
    await ask('POST', '/v1/templates/web/refresh');
    const isRefreshed = async () => (await events()).some(({ type }) => type === 'pool.refreshed');
    const during = await claimSteadily(isRefreshed);
    expect(new Set(during)).toEqual(new Set(['web@1', 'web@2']));
    let left = 8;
    expect(new Set(await claimSteadily(async () => --left === 0))).toEqual(new Set(['web@2']));
    // One claim may come between what the planner saw and what it did.
    expect(Math.min(...warmAfterEachDestroy(await events()))).toBeGreaterThanOrEqual(ready - 1);
    expect(await status()).toMatchObject({ outdated: 0, rollout: { state: 'complete', from: 'web@1', to: 'web@2' } });
  }, 120_000);

  it('to a golden that verifies, but whose clones then end, is rolled back by itself, and claims go on', async () => {
    const broken = '/usr/bin/perl /srv/test-app.pl & while [ ! -e /run/thaw/identity.json ]; do sleep 0.1; done; sleep 3; exit 3';
    await thaw.rest.putTemplate('web', testTemplate(thaw.image, { command: ['/bin/sh', '-c', broken] }));
    await ask('POST', '/v1/templates/web/refresh');
    // So slowly that clones end while nobody has them: what a tenant does to an instance tells nothing of its golden.
    await claimSteadily(async () => (await status()).rollout?.state === 'rolled_back', 5 * claimEveryMs);
    const [told] = (await events()).filter(({ type }) => type === 'rollout.rolled_back');
    expect(told).toMatchObject({ from: 'web@2', to: 'web@3', reason: 'clone_exited' });
    expect(await ask('GET', '/v1/templates/web/aliases/stable')).toMatchObject({ golden: 2, previous: 3 });
    expect(await ask('GET', '/v1/templates/web/goldens/3')).toMatchObject({ state: 'ready', problem: { code: 'clone_exited' } });
    await eventually(async () => expect((await status()).outdated).toBe(0));
    let left = 4;
    expect(new Set(await claimSteadily(async () => --left === 0))).toEqual(new Set(['web@2']));
  }, 120_000);
});

/** How many were warm right after each one that went without a tenant having had it. */
function warmAfterEachDestroy(events: readonly Event[]): number[] {
  const warm = new Set<string>();
  const after: number[] = [];
  for (const { type, instance = '' } of events) {
    if (type === 'instance.warm') warm.add(instance);
    else if (type === 'claim.reserved') warm.delete(instance);
    else if (type === 'instance.releasing' && warm.delete(instance)) after.push(warm.size);
  }
  return after;
}
