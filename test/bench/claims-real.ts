import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { startService, untilReady } from '#test/demo/service.ts';
import { createThawClient, type ThawClient } from '#test/demo/thaw-client.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { makeTestImage } from '#test/support/test-image.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { percentiles, send } from './load.ts';

const poolSize = 20;
const rounds = 5;
const restMs = 50;
const fillPatienceMs = 120_000;

/** Claims of real clones over HTTP, binding included: a pool of 20 is claimed one after the other, released, filled again. */
export async function benchRealClaims(): Promise<object> {
  await using directory = await makeTempDir();
  const image = join(directory.path, 'image');
  await mkdir(image);
  await makeTestImage(image);
  const service = await startService(directory.path);
  const { signal } = new AbortController();
  try {
    const thaw = createThawClient(service, signal);
    await untilReady(service, thaw.isReady, signal);
    await thaw.putTemplate('web', testTemplate(`dir:${image}`));
    await capture(thaw);
    await thaw.putPool('web', { template: 'web', size: { ready: poolSize, max: poolSize } });
    const tookMs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      await untilFull(thaw);
      await delay(1000); // the refill is over
      tookMs.push(...(await claimAll(service)));
    }
    const figures = { ...percentiles(tookMs), claims: tookMs.length };
    process.stdout.write(
      `claims of real clones, one after the other: p50 ${figures.p50Ms} ms (bar 5), p99 ${figures.p99Ms} ms (bar 20), ${figures.claims} claims\n`,
    );
    return figures;
  } finally {
    await service.destroy();
  }
}

async function capture(thaw: ThawClient): Promise<void> {
  const { id } = await thaw.captureGolden('web', true);
  for (;;) {
    const { state, problem } = await thaw.getOperation(id);
    if (state === 'succeeded') return;
    if (state !== 'queued' && state !== 'running') throw new Error(`the capture has ${state}: ${problem?.message}`);
    await delay(100);
  }
}

async function untilFull(thaw: ThawClient): Promise<void> {
  for (const deadline = performance.now() + fillPatienceMs; ; await delay(100)) {
    const { warm, reason } = await thaw.getPoolStatus('web');
    if (warm === poolSize) return;
    if (performance.now() > deadline) throw new Error(`the pool has ${warm} of ${poolSize} warm: ${reason ?? 'no reason given'}`);
  }
}

const Claim = z.object({ id: z.string() });

/** Answers how long each took (ms); all are released in the end. */
async function claimAll({ url, key }: { readonly url: string; readonly key: string }): Promise<number[]> {
  const agent = new Agent({ keepAlive: true });
  const authorization = `Bearer ${key}`;
  const tookMs: number[] = [];
  const ids: string[] = [];
  for (let i = 0; i < poolSize; i++) {
    const body = JSON.stringify({ tenant: 'acme', env: { PLAN: 'pro' }, secrets: { TOKEN: randomUUID() } });
    const headers = { authorization, 'idempotency-key': randomUUID() };
    const { ms, text } = await send(agent, new URL(url), { method: 'POST', path: '/v1/pools/web/claims', headers, body });
    tookMs.push(ms);
    ids.push(Claim.parse(JSON.parse(text)).id);
    await delay(restMs);
  }
  await Promise.all(ids.map((id) => send(agent, new URL(url), { method: 'DELETE', path: `/v1/claims/${id}`, headers: { authorization } })));
  agent.destroy();
  return tookMs;
}
