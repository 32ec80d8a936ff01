import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { startService, untilReady } from '#test/demo/service.ts';
import { createThawClient } from '#test/demo/thaw-client.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { makeTestImage } from '#test/support/test-image.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { percentiles, send } from './load.ts';

const pool = { template: 'web', size: { ready: 10, max: 40 }, rollout: { soakMs: 2000 } };
/** Far fewer than two cores can restore: a refresh needs some of that for itself. */
const claimEveryMs = 300;
const restMs = 5000;
const beforeMs = 40_000;
/** One has too few claims for a p99. */
const refreshes = 3;
const patienceMs = 120_000;
const factorBar = 2;

const Claim = z.object({ id: z.string(), instance: z.object({ golden: z.string() }) });
const Operation = z.object({ id: z.string(), state: z.string(), problem: z.object({ message: z.string() }).optional() });
const Events = z.object({ items: z.array(z.object({ type: z.string() })) });

/**
 * Claims of real clones at a steady rate, before a refresh and during it: from its request, over the capture and the change of the pool, to
 * `pool.refreshed`. A claim that is refused ends the bench: load.ts throws.
 */
export async function benchRefresh(): Promise<object> {
  await using directory = await makeTempDir();
  const image = join(directory.path, 'image');
  await mkdir(image);
  await makeTestImage(image);
  const service = await startService(directory.path);
  const { signal } = new AbortController();
  const agent = new Agent({ keepAlive: true });
  const authorization = `Bearer ${service.key}`;
  const ask = async (method: string, path: string, body?: object) => {
    const headers = { authorization, accept: 'application/json', 'idempotency-key': randomUUID() };
    const { ms, text } = await send(agent, new URL(service.url), { method, path, headers, ...(body && { body: JSON.stringify(body) }) });
    return { ms, answer: text === '' ? undefined : JSON.parse(text) };
  };
  const hasSucceeded = async (operation: unknown) => {
    const { id } = Operation.parse(operation);
    const { state, problem } = Operation.parse((await ask('GET', `/v1/operations/${id}`)).answer);
    if (problem) throw new Error(`operation ${id} has ${state}: ${problem.message}`);
    return state === 'succeeded';
  };
  const claimUntil = async (isOver: () => Promise<boolean>) => {
    const tookMs: number[] = [];
    const goldens: string[] = [];
    for (const deadline = performance.now() + patienceMs; !(await isOver()); await delay(claimEveryMs)) {
      if (performance.now() > deadline) throw new Error(`not over within ${patienceMs} ms`);
      const { ms, answer } = await ask('POST', '/v1/pools/web/claims', { tenant: 'acme' });
      const { id, instance } = Claim.parse(answer);
      tookMs.push(ms);
      goldens.push(instance.golden);
      await ask('DELETE', `/v1/claims/${id}`);
    }
    return { ...percentiles(tookMs), tookMs, claims: tookMs.length, goldens: [...new Set(goldens)] };
  };
  const isRefreshed = async (operation: unknown, times: number) =>
    (await hasSucceeded(operation)) && Events.parse((await ask('GET', '/v1/events?type=pool.refreshed')).answer).items.length === times;
  try {
    const thaw = createThawClient(service, signal);
    await untilReady(service, thaw.isReady, signal);
    await thaw.putTemplate('web', testTemplate(`dir:${image}`));
    const { answer: first } = await ask('POST', '/v1/templates/web/refresh');
    while (!(await hasSucceeded(first))) await delay(100);
    await thaw.putPool('web', pool);
    while ((await thaw.getPoolStatus('web')).warm < pool.size.ready) await delay(100);
    await delay(restMs); // the refill is over
    const endsAt = performance.now() + beforeMs;
    const { tookMs: _took, ...before } = await claimUntil(async () => performance.now() > endsAt);
    const startedAt = performance.now();
    const took: number[] = [];
    for (let times = 1; times <= refreshes; times++) {
      const { answer: refresh } = await ask('POST', '/v1/templates/web/refresh');
      took.push(...(await claimUntil(() => isRefreshed(refresh, times))).tookMs);
    }
    const during = { ...percentiles(took), claims: took.length };
    const refreshMs = Math.round((performance.now() - startedAt) / refreshes);
    let left = 10;
    const { tookMs: _these, ...after } = await claimUntil(async () => left-- === 0);
    const ratio = Math.round((during.p99Ms / before.p99Ms) * 100) / 100;
    process.stdout.write(
      `claims of real clones, one each ${claimEveryMs} ms, none refused
  before a refresh    p50 ${before.p50Ms} ms  p99 ${before.p99Ms} ms  ${before.claims} claims
  during ${refreshes}         p50 ${during.p50Ms} ms  p99 ${during.p99Ms} ms  ${during.claims} claims; each took ${(refreshMs / 1000).toFixed(1)} s
  p99 during / before ${ratio} (bar ${factorBar}); after pool.refreshed all of ${after.claims} are of ${after.goldens.join(' and ')}\n`,
    );
    return { before, during, after, refreshMs, p99Ratio: ratio };
  } finally {
    agent.destroy();
    await service.destroy();
  }
}
