import type { Golden } from '#src/goldens/golden.ts';
import { getNode } from '#src/nodes/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { digestOn, judgeNode } from './build.ts';
import { readBuilds } from './store.ts';

/** Answers the digest of the files that the node has, where it is known. Throws golden_incompatible when it has none that it can restore. */
export async function requireRestorable(redis: Redis, golden: Golden, name: string): Promise<string | undefined> {
  const [node, builds] = await Promise.all([getNode(redis, name), readBuilds(redis, golden)]);
  const digest = digestOn(builds, name);
  if (!node) return digest;
  const { compatible, has, reasons } = judgeNode(builds, node);
  if (compatible && has) return digest;
  throw new ThawError('golden_incompatible', `golden ${golden.id} can not be restored on node ${name}: ${reasons.join(', ')}`, {
    fix: 'Wait for its build there (see its `nodes`), or capture a new golden.',
  });
}
