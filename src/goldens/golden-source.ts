import type { GoldenSource } from '#src/instances/restore-instance.ts';
import type { Redis } from '#src/platform/redis.ts';
import { digestOn } from './builds/build.ts';
import { requireRestorable } from './builds/require-restorable.ts';
import { readBuilds } from './builds/store.ts';
import { condemnGolden } from './condemn-golden.ts';
import { recordRestoreFailure } from './failures.ts';
import { isSealed } from './golden.ts';
import { notReady, requireGolden } from './store.ts';

/** What restoring an instance needs of its golden, from the golden's own copy of the template. */
export function goldenSource(redis: Redis): Omit<GoldenSource, 'restored'> {
  return {
    cloneSpec: async ({ golden: id, pool, node }) => {
      const golden = await requireGolden(redis, id);
      // It is what the golden is proven with: before that nobody has recorded which files are meant.
      if (pool === '') return { ...golden.spec, digest: digestOn(await readBuilds(redis, golden), node) };
      if (!isSealed(golden.state)) throw notReady(golden);
      const digest = await requireRestorable(redis, golden, node); // it may have been asked for before the machine was changed
      return { ...golden.spec, digest };
    },
    failed: async (clone, problem) => {
      if (problem.code === 'golden_incompatible') return; // nothing was tried
      await recordRestoreFailure(redis, clone, problem);
      await condemnGolden(redis, clone.golden, problem, clone.node);
    },
  };
}
