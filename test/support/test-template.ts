import { testWorkload } from './test-image.ts';

/** How often its warm-up makes the test app count: the first answer of a clone is the next number. */
export const counterAtCheckpoint = 3;

/** The test app as a template: its readiness probe does not make it count, its warm-up does. `over` replaces what a test wants otherwise. */
export function testTemplate(image: string, over: object = {}): object {
  return {
    ...testWorkload(image),
    ready: { http: { port: 8080, path: '/status' } },
    warmup: Array.from({ length: counterAtCheckpoint }, () => ({ http: { port: 8080, path: '/' } })),
    ...over,
  };
}
