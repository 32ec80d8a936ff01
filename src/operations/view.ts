import { z } from '@hono/zod-openapi';
import { Failure } from '#src/platform/failure.ts';
import { OperationId } from '#src/platform/ids.ts';
import { type Operation, OperationState, OperationStep } from './operation.ts';

/** An operation as REST shows it. */
export const OperationView = z
  .object({
    id: OperationId,
    kind: z.string().openapi({ example: 'capture-golden' }),
    target: z.string().openapi({ example: 'api@7' }),
    state: OperationState,
    steps: z.array(z.object({ name: z.string(), state: OperationStep.shape.state, tookMs: z.number().optional() })),
    result: z.record(z.string(), z.unknown()).optional(),
    problem: Failure.optional(),
    createdAt: z.iso.datetime(),
    updatedAt: z.iso.datetime(),
  })
  .openapi('Operation');

export function viewOperation(operation: Operation): z.infer<typeof OperationView> {
  const { params: _internal, steps, createdAt, updatedAt, ...rest } = operation;
  return {
    ...rest,
    steps: steps.map(({ startedAt: _startedAt, ...step }) => step),
    createdAt: new Date(createdAt).toISOString(),
    updatedAt: new Date(updatedAt).toISOString(),
  };
}
