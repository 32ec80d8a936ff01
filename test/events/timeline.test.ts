import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Claim } from '#src/claims/claim.ts';
import { buildSteps } from '#src/claims/timeline.ts';
import { ExplainedClaim, ExplainedTimeline, explainClaim } from '#src/cli/explain-claim.ts';
import { eventsKey } from '#src/platform/events.ts';
import { fillPool, parseClaim, startService, type TestService, waitUntil } from '#test/support/service.ts';

const Timeline = z.object({
  complete: z.boolean(),
  steps: z.array(
    z.object({
      type: z.string(),
      at: z.iso.datetime(),
      sinceMs: z.number(),
      tookMs: z.number().optional(),
      phasesMs: z.record(z.string(), z.number()).optional(),
      node: z.string().optional(),
      reason: z.string().optional(),
      trace: z.string().optional(),
    }),
  ),
});

let service: TestService;

beforeAll(async () => {
  service = await startService();
  await fillPool(service, { ready: 1, max: 4 });
});
afterAll(() => service.close());

const readTimeline = async (id: string) => Timeline.parse((await service.request('GET', `/v1/claims/${id}/timeline`)).body);

async function claim() {
  const { id } = parseClaim(
    await waitUntil(async () => {
      const answer = await service.request('POST', '/v1/pools/web/claims', { tenant: 'acme' });
      if (answer.status !== 201) throw new Error(answer.text);
      return answer;
    }),
  );
  return id;
}

/** A claim that was released, and whose instance is destroyed. */
async function endedClaim() {
  const id = await claim();
  await service.request('DELETE', `/v1/claims/${id}`);
  await waitUntil(async () => {
    expect((await readTimeline(id)).steps.at(-1)?.type).toBe('instance.destroyed');
  });
  return id;
}

const story = [
  'golden.capturing',
  'instance.restoring',
  'instance.warm',
  'claim.reserved',
  'claim.active',
  'claim.released',
  'instance.destroyed',
];

describe('the timeline of a claim', () => {
  it('goes from the capture of its golden to the end of its instance, with what each step took', async () => {
    const { complete, steps } = await readTimeline(await endedClaim());
    expect(complete).toBe(true);
    expect(steps.map((step) => step.type)).toEqual(story);
    const [golden, restoring, warm, reserved, active, released] = steps;
    expect(golden?.phasesMs).toMatchObject({ coldStart: expect.any(Number) });
    expect(restoring).toMatchObject({ tookMs: expect.any(Number), phasesMs: { total: expect.any(Number) }, node: 'n1' });
    expect(warm?.tookMs).toBeGreaterThanOrEqual(0);
    expect(warm?.sinceMs).toBeLessThanOrEqual(0);
    expect(reserved?.phasesMs).toMatchObject({ bind: expect.any(Number), hook: expect.any(Number) });
    expect(active?.tookMs).toBeGreaterThanOrEqual(0);
    expect(released?.reason).toEqual(expect.any(String));
  });

  it('is told by the records when the events are gone, and says so', async () => {
    const id = await endedClaim();
    await service.redis.del(eventsKey);
    const { complete, steps } = await readTimeline(id);
    expect(complete).toBe(false);
    expect(steps.map((step) => step.type)).toEqual(story.slice(0, -1));
  });

  it('costs the same in a stream full of others', async () => {
    const id = await claim();
    const flood = service.redis.pipeline();
    for (let i = 0; i < 3000; i++) flood.xadd(eventsKey, '*', 'at', Date.now(), 'type', 'claim.active', 'claim', `other-${i}`);
    await flood.exec();
    await service.request('DELETE', `/v1/claims/${id}`);
    const { complete, steps } = await readTimeline(id);
    expect(complete).toBe(false);
    expect(steps.map((step) => step.type)).toEqual(expect.arrayContaining(story.slice(0, 6)));
  });

  it('of an unknown claim is 404', async () => {
    expect((await service.request('GET', '/v1/claims/clm-0000000000000000/timeline')).status).toBe(404);
  });
});

it('a claim that nothing was found for yet waits', () => {
  const waiting = Claim.parse({
    ...{ id: 'clm-0123456789abcdef', state: 'waiting', pool: 'web', tenant: 'acme', labels: {}, endpoints: [] },
    ...{ createdAt: 1000, expiresAt: 2000 },
  });
  expect(buildSteps({ claim: waiting, instance: undefined, golden: undefined }, [])).toEqual([{ type: 'claim.waiting', at: 1000 }]);
});

it('explain says who held what, from which golden, how it was had and why it ended', async () => {
  const id = await endedClaim();
  const answer = await service.request('GET', `/v1/claims/${id}`);
  const text = explainClaim(ExplainedClaim.parse(answer.body), ExplainedTimeline.parse(await readTimeline(id)));
  expect(text).toMatch(new RegExp(`^Claim ${id} of tenant acme on pool web, asked for at .*, is released\\.`));
  expect(text).toMatch(/It held instance ins-\w+ on node n1, a clone of golden web@1, which had been warm for .*\./);
  expect(text).toMatch(/It was hot: answered after .* ms\./);
  expect(text).toMatch(/It ended at .*, held for .*: .*\./);
  expect(text).toMatch(/the clone was restored .* total /);
});
