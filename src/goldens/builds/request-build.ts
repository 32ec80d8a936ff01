import { z } from 'zod';
import type { Golden } from '#src/goldens/golden.ts';
import type { GoldenJobs } from '#src/goldens/golden-jobs.ts';
import { nodeClass } from '#src/nodes/compatibility.ts';
import type { Node } from '#src/nodes/node.ts';
import { createOperation } from '#src/operations/store.ts';
import { newOperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { beginBuild } from './store.ts';

export const buildKind = 'build-golden';

export const BuildParams = z.object({ node: z.string(), class: z.string() });

export interface RequestBuildDeps {
  readonly redis: Redis;
  readonly jobs: Pick<GoldenJobs, 'build'>;
}

/**
 * Starts the capture of a golden's build on a node, if it is the time (beginBuild); asking again changes nothing. A crash on the way is made
 * good by reconcileBuilds.
 */
export async function requestBuild(
  { redis, jobs }: RequestBuildDeps,
  golden: Golden,
  node: Pick<Node, 'name' | 'fingerprint'>,
): Promise<void> {
  const { name, fingerprint } = node;
  const id = newOperationId();
  const params = { node: name, class: nodeClass(fingerprint) };
  if (!(await beginBuild(redis, golden, { ...params, operation: id, fingerprint }))) return;
  await createOperation(redis, { id, kind: buildKind, target: golden.id, params });
  await jobs.build(name, id);
}
