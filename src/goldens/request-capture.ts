import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { GoldenPlaceText } from '#src/engine/golden-place.ts';
import { pickNode } from '#src/nodes/store.ts';
import type { Operation } from '#src/operations/operation.ts';
import { operationIdFor } from '#src/operations/operation-id-for.ts';
import { createOperation, getOperation } from '#src/operations/store.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { Golden } from './golden.ts';
import type { GoldenJobs } from './golden-jobs.ts';
import { createGolden } from './store.ts';

export interface RequestDeps {
  readonly redis: Redis;
  readonly jobs: GoldenJobs;
}

/** Who asked: the API key's id and name. */
export const RequestedBy = Golden.shape.requestedBy.unwrap();

/** What a capture was asked to do, as its operation keeps it. */
export const CaptureParams = z.object({
  promote: z.boolean(),
  notes: z.string().exactOptional(),
  requestedBy: RequestedBy.exactOptional(),
  /** Where it is imported from; absent: a primer is started and dumped. */
  from: GoldenPlaceText.exactOptional(),
});
export type CaptureParams = z.infer<typeof CaptureParams>;

/** Without `promote` the template's refresh policy decides. */
export type CaptureWish = Omit<CaptureParams, 'promote'> & { readonly promote?: boolean | undefined };

/** `refresh-template`: a capture and a promotion as the template's policy says, not as one request does. */
export const captureKinds = ['capture-golden', 'refresh-template'] as const;
export type CaptureKind = (typeof captureKinds)[number];

/**
 * Starts the capture of a template's next golden; answers the operation to watch. The same idempotency key answers the same
 * operation for as long as it is kept. A crash on the way is made good by reconcileGoldens.
 * Throws template_not_found, no_node, capture_in_progress or idempotency_key_reused.
 */
export async function requestCapture(
  { redis, jobs }: RequestDeps,
  templateName: string,
  wish: CaptureWish,
  idempotencyKey?: string,
  kind: CaptureKind = 'capture-golden',
): Promise<Operation> {
  const id = operationIdFor([kind, templateName], idempotencyKey);
  const earlier = await getOperation(redis, id);
  if (earlier) return sameRequest(earlier, wish);
  const template = await requireTemplate(redis, templateName);
  const params: CaptureParams = { ...wish, promote: wish.promote ?? template.spec.refresh?.promote !== 'manual' };
  const { name: node } = await pickNode(redis);
  const { notes, requestedBy } = params;
  const golden = await createGolden(redis, { template, node, operation: id, notes, requestedBy });
  const operation = await createOperation(redis, { id, kind, target: golden.id, params });
  await jobs.capture(golden.node, id);
  return sameRequest(operation, wish); // the key may have been used twice at once
}

function sameRequest(earlier: Operation, wish: CaptureWish): Operation {
  const asked = CaptureParams.parse(earlier.params);
  const again = { ...wish, promote: wish.promote ?? asked.promote };
  if (isDeepStrictEqual({ ...asked, requestedBy: undefined }, { ...again, requestedBy: undefined })) return earlier;
  throw new ThawError('idempotency_key_reused', `the idempotency key was used for ${earlier.id} with another body`, {
    fix: 'Use a new key for another request.',
  });
}
