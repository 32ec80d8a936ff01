import type { Golden } from '#src/goldens/golden.ts';
import { getNode } from '#src/nodes/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { judgeNode } from './build.ts';
import { readBuilds } from './store.ts';

/** Throws golden_incompatible when the node has no files of the golden that it can restore. */
export async function requireRestorable(redis: Redis, golden: Golden, name: string): Promise<void> {
  const [node, builds] = await Promise.all([getNode(redis, name), readBuilds(redis, golden)]);
  if (!node) return;
  const { compatible, has, reasons } = judgeNode(builds, node);
  if (compatible && has) return;
  throw new ThawError('golden_incompatible', `golden ${golden.id} can not be restored on node ${name}: ${reasons.join(', ')}`, {
    fix: 'Wait for its build there (see its `nodes`), or capture a new golden.',
  });
}
