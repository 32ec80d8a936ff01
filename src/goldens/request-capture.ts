import { z } from 'zod';
import { pickNode } from '#src/nodes/store.ts';
import type { Operation } from '#src/operations/operation.ts';
import { operationIdFor } from '#src/operations/operation-id-for.ts';
import { createOperation, getOperation } from '#src/operations/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { requireTemplate } from '#src/templates/store.ts';
import type { GoldenJobs } from './golden-jobs.ts';
import { createGolden } from './store.ts';

export interface RequestDeps {
  readonly redis: Redis;
  readonly jobs: GoldenJobs;
}

/** What a capture was asked to do, as its operation keeps it. */
export const CaptureParams = z.object({ promote: z.boolean() });
export type CaptureParams = z.infer<typeof CaptureParams>;

/**
 * Starts the capture of a template's next golden; answers the operation to watch. The same idempotency key answers the same
 * operation for as long as it is kept. A crash on the way is made good by reconcileGoldens.
 * Throws template_not_found, no_node, capture_in_progress or idempotency_key_reused.
 */
export async function requestCapture(
  { redis, jobs }: RequestDeps,
  templateName: string,
  params: CaptureParams,
  idempotencyKey?: string,
): Promise<Operation> {
  const id = operationIdFor(['capture', templateName], idempotencyKey);
  const earlier = await getOperation(redis, id);
  if (earlier) return sameRequest(earlier, params);
  const template = await requireTemplate(redis, templateName);
  const { name: node } = await pickNode(redis);
  const golden = await createGolden(redis, { template, node, operation: id });
  const operation = await createOperation(redis, { id, kind: 'capture-golden', target: golden.id, params });
  await jobs.capture(node, id);
  return operation;
}

function sameRequest(earlier: Operation, params: CaptureParams): Operation {
  if (CaptureParams.parse(earlier.params).promote === params.promote) return earlier;
  throw new ThawError('idempotency_key_reused', `the idempotency key was used for ${earlier.id} with another body`, {
    fix: 'Use a new key for another request.',
  });
}
