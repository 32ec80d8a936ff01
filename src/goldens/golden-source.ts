import type { GoldenSource } from '#src/instances/restore-instance.ts';
import type { Redis } from '#src/platform/redis.ts';
import { condemnGolden } from './condemn-golden.ts';
import { recordRestoreFailure } from './failures.ts';
import { requireGolden } from './store.ts';

/** What restoring an instance needs of its golden, from the golden's own copy of the template. */
export function goldenSource(redis: Redis): Omit<GoldenSource, 'restored'> {
  return {
    cloneSpec: async (golden) => (await requireGolden(redis, golden)).spec,
    failed: async (clone, problem) => {
      await recordRestoreFailure(redis, clone, problem);
      await condemnGolden(redis, clone.golden, problem);
    },
  };
}
