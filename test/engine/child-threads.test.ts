import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Workload } from '#src/engine/workload.ts';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { buildSampleImage, sampleImageDirectory } from '#test/demo/build-sample-image.ts';
import { type CriuNode, openCriuNode } from '#test/support/criu-node.ts';

let node: CriuNode;
beforeAll(async () => {
  node = await openCriuNode({ THAW_IMAGE_ROOTS: sampleImageDirectory });
});
afterAll(() => node.close());

it('a program of many threads that is not the first process is restored', async () => {
  const server = "require('node:http').createServer((_, response) => response.end('here')).listen(8080)";
  const workload = Workload.parse({
    image: `dir:${await buildSampleImage(sampleImageDirectory)}`,
    command: ['/bin/sh', '-c', `/usr/bin/node --eval "${server}" & wait`],
  });
  const id = newInstanceId();
  expect(await waitForAnswer((await node.engine.start(workload, id)).address)).toBe('here');
  await node.engine.checkpoint(id, goldenId('child-threads', 1));
  const clone = await node.engine.restore(goldenId('child-threads', 1), newInstanceId());
  expect(await waitForAnswer(clone.address)).toBe('here');
});

/** Throws the last failure when there is no answer within 20 s. */
async function waitForAnswer(address: string): Promise<string> {
  for (const deadline = performance.now() + 20_000; ; await delay(20)) {
    try {
      return await (await fetch(`http://${address}:8080/`, { signal: AbortSignal.timeout(1000) })).text();
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
  }
}
