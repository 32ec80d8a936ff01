import { afterAll, beforeAll, beforeEach } from 'vitest';
import { made } from './made.ts';
import { startTestRedis, type TestRedis } from './redis.ts';

/** A Redis of the file's own, empty before each test. */
export function useTestRedis(): Pick<TestRedis, 'redis' | 'url'> {
  let server: TestRedis | undefined;
  beforeAll(async () => {
    server = await startTestRedis();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    await made(server).redis.flushall();
  });
  return {
    get redis() {
      return made(server).redis;
    },
    get url() {
      return made(server).url;
    },
  };
}
