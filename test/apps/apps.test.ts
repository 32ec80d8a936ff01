import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Workload } from '#src/engine/workload.ts';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { type CriuNode, openCriuNode } from '#test/support/criu-node.ts';
import { imageCache, makeDebianImage } from './debian-image.ts';
import { gunicorn } from './gunicorn.ts';
import { postgres } from './postgres.ts';
import type { AppAnswer, ThirdPartyApp } from './third-party-app.ts';
import { tomcat } from './tomcat.ts';

const testTimeoutMs = 15 * 60_000; // the first run downloads some 200 MB
const startTimeoutMs = 120_000;
const retryMs = 10;

describe('a server that others wrote', () => {
  let node: CriuNode;
  beforeAll(async () => {
    node = await openCriuNode({ THAW_IMAGE_ROOTS: imageCache });
  });
  afterEach(async () => {
    for (const { id } of await node.engine.list()) await node.engine.destroy(id);
  });
  afterAll(() => node.close());

  async function startCold(app: ThirdPartyApp) {
    const image = `dir:${await makeDebianImage(app.image)}`;
    const id = newInstanceId();
    const startedAt = performance.now();
    const { address, timingsMs } = await node.engine.start(Workload.parse({ ...app.workload, image }), id);
    const answer = await waitForAnswer(app, address);
    return { id, answer, tookMs: performance.now() - startedAt - (timingsMs.image ?? 0) }; // the image is copied but once
  }

  async function restoreClone(app: ThirdPartyApp) {
    const startedAt = performance.now();
    const { address } = await node.engine.restore(goldenId(app.name, 1), newInstanceId());
    const answer = await waitForAnswer(app, address);
    return { address, answer, tookMs: performance.now() - startedAt };
  }

  it.each([tomcat, gunicorn, postgres])(
    '$name is checkpointed, and three clones go on from there, each by itself and faster than a cold start',
    async (app) => {
      const primer = await startCold(app);
      const golden = await node.engine.checkpoint(primer.id, goldenId(app.name, 1));
      const clones = [await restoreClone(app), await restoreClone(app), await restoreClone(app)];

      const { token, counter } = primer.answer;
      for (const { answer } of clones) expect(answer).toMatchObject({ token, counter: counter + 1 });
      expect(new Set([primer.answer, ...clones.map(({ answer }) => answer)].map(({ hostname }) => hostname)).size).toBe(4);
      for (const [index, { address }] of clones.entries()) {
        for (let request = 0; request < index; request++) await app.ask(address);
      }
      const counters = await Promise.all(clones.map(async ({ address }) => (await app.ask(address)).counter - counter));
      expect(counters).toEqual([2, 3, 4]);

      const restoresMs = clones.map(({ tookMs }) => Math.round(tookMs));
      process.stdout.write(
        `${app.name}: cold start ${Math.round(primer.tookMs)} ms, golden ${megabytes(golden.sizeBytes)} MB, ` +
          `restores ${restoresMs.join(', ')} ms, all to the first answer\n`,
      );
      expect(restoresMs.sort((a, b) => a - b)[1]).toBeLessThan(primer.tookMs);
    },
    testTimeoutMs,
  );
});

/** Throws the last failure when there is no answer within two minutes. */
async function waitForAnswer(app: ThirdPartyApp, address: string): Promise<AppAnswer> {
  for (const deadline = performance.now() + startTimeoutMs; ; await delay(retryMs)) {
    try {
      return await app.ask(address);
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
