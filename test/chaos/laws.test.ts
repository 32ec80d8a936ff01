import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testTemplate } from '#test/support/test-template.ts';
import { type ProcessName, startThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { startClaimers } from './claimers.ts';
import { judge, type Listed, type Seen } from './history.ts';

const poolSize = 50;
const clients = 200;

describe('the judge', () => {
  const answered = (key: string, claim: string, instance: string): Seen => ({ kind: 'answered', key, claim, instance });
  const ok = [answered('k1', 'c1', 'i1'), { kind: 'read', claim: 'c1', state: 'active', instance: 'i1' }] satisfies Seen[];

  it.each<[string, Seen[], Listed[], RegExp]>([
    ['an instance held twice', [answered('k1', 'c1', 'i1'), answered('k2', 'c2', 'i1')], [], /law 1/],
    ['a claim that was lost', [answered('k1', 'c1', 'i1'), { kind: 'read', claim: 'c1', state: 'lost', instance: 'i1' }], [], /law 2/],
    ['a key with two claims', [answered('k1', 'c1', 'i1'), answered('k1', 'c2', 'i2')], [], /law 3/],
    ['a claim that moved', [answered('k1', 'c1', 'i1'), answered('k1', 'c1', 'i2')], [], /was on i1, then on i2/],
    ['a release that was lost', [...ok, { kind: 'released', claim: 'c1' }], [{ id: 'c1', state: 'active' }], /answered as released/],
    ['an orphan', ok, [{ id: 'c9', state: 'active', instance: { id: 'i9' } }], /nobody was ever answered/],
  ])('finds %s', (_, history, listed, breach) => {
    expect(judge(history, listed)).toEqual([expect.stringMatching(breach)]);
  });

  it('finds nothing where nothing is wrong', () => {
    expect(judge(ok, [{ id: 'c1', state: 'released', instance: { id: 'i1' } }])).toEqual([]);
  });
});

/** Laws 1, 2 and 3 under kill -9, judged by what the clients saw. */
describe(`${clients} claimers on ${poolSize} instances`, () => {
  let thaw: ThawProcess;

  beforeAll(async () => {
    thaw = await startThaw();
    await thaw.rest.putTemplate('web', testTemplate(thaw.image));
    expect((await thaw.rest.capture('web')).state).toBe('succeeded');
    await thaw.rest.putPool('web', { template: 'web', size: { ready: poolSize, max: poolSize } });
    await thaw.rest.untilWarm('web', poolSize);
  });
  afterAll(() => thaw?.close());

  it('never hold one twice, lose none and get one a key, while API, worker and Redis are killed five times each', {
    timeout: 400_000,
  }, async () => {
    const claimers = startClaimers(thaw.config.url, thaw.apiKey, clients);
    for (let round = 0; round < 5; round++) {
      for (const victim of ['api', 'worker', 'redis'] satisfies ProcessName[]) {
        await claimers.untilAnswered(5);
        const before = thaw.pids();
        await thaw.kill(victim);
        await thaw.untilReplaced(victim, before);
      }
    }
    await claimers.untilAnswered(20);
    await claimers.stop();
    const listed = await thaw.rest.listEveryClaim();
    expect(judge(claimers.history, listed)).toEqual([]);
    expect(new Set(claimers.history.map(({ claim }) => claim)).size).toBeGreaterThan(clients);
    await thaw.rest.untilWarm('web', poolSize);
    expect(await thaw.rest.poolStatus('web')).toMatchObject({ warm: poolSize, claimed: 0 });
  });
});
