import { afterAll, afterEach, beforeAll } from 'vitest';
import type { StartedInstance } from '#src/engine/engine.ts';
import { type CriuNode, openCriuNode } from './criu-node.ts';
import { destroyAll } from './destroy-all.ts';
import { made } from './made.ts';
import { type Placed, startReady } from './start-ready.ts';
import { testWorkload } from './test-image.ts';

interface UsedCriuNode extends Pick<CriuNode, 'engine' | 'config' | 'image' | 'reopen'> {
  /** A cold instance of the test image that answers. */
  startReady(over?: Parameters<typeof testWorkload>[1]): Promise<Placed<StartedInstance>>;
}

/** One node for all tests of the suite, which leave nothing to each other but goldens. */
export function useCriuNode(): UsedCriuNode {
  let node: CriuNode | undefined;
  beforeAll(async () => {
    node = await openCriuNode();
  });
  afterEach(() => destroyAll(made(node).engine));
  afterAll(() => node?.close());
  return {
    get engine() {
      return made(node).engine;
    },
    get config() {
      return made(node).config;
    },
    get image() {
      return made(node).image;
    },
    reopen: (changes, fingerprint) => made(node).reopen(changes, fingerprint),
    startReady: (over) => startReady(made(node).engine, testWorkload(made(node).image, over)),
  };
}
