import { z } from 'zod';
import { pickNode } from '#src/nodes/store.ts';
import type { Operation } from '#src/operations/operation.ts';
import { operationIdFor } from '#src/operations/operation-id-for.ts';
import { createOperation, getOperation } from '#src/operations/store.ts';
import { requireTemplate } from '#src/templates/store.ts';
import { type RequestDeps, RequestedBy } from './request-capture.ts';

export const dryRunKind = 'dry-run-capture';

/** What the worker needs to know; the template is the operation's target. */
export const DryRunParams = z.object({ node: z.string(), requestedBy: RequestedBy.exactOptional() });
export type DryRunParams = z.infer<typeof DryRunParams>;

/**
 * Starts a look at what would stop a checkpoint of the template's app. No golden is numbered, and captures go on beside it. The same idempotency
 * key answers the same operation for as long as it is kept. A crash on the way is made good by reconcileGoldens.
 * Throws template_not_found or no_node.
 */
export async function requestDryRun(
  { redis, jobs }: RequestDeps,
  templateName: string,
  asked: Omit<DryRunParams, 'node'>,
  idempotencyKey?: string,
): Promise<Operation> {
  const id = operationIdFor(['dry-run', templateName], idempotencyKey);
  const earlier = await getOperation(redis, id);
  if (earlier) return earlier;
  await requireTemplate(redis, templateName);
  const { name: node } = await pickNode(redis);
  const params: DryRunParams = { ...asked, node };
  const operation = await createOperation(redis, { id, kind: dryRunKind, target: templateName, params });
  await jobs.dryRun(node, id);
  return operation;
}
