import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { Failure } from '#src/platform/failure.ts';
import { OperationId } from '#src/platform/ids.ts';

export const OperationState = z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']);
export type OperationState = z.infer<typeof OperationState>;

export const OperationStep = z.object({
  name: z.string(),
  state: z.enum(['running', 'succeeded', 'failed']),
  startedAt: z.number(),
  tookMs: z.number().exactOptional(),
});
export type OperationStep = z.infer<typeof OperationStep>;

/** A long-running request that can be watched. Times in ms since the epoch, by Redis' clock. */
export const Operation = z.object({
  id: OperationId,
  /** Verb and noun, e.g. `capture-golden`. */
  kind: z.string(),
  /** What it works on, e.g. `api@7`. */
  target: z.string(),
  state: OperationState,
  steps: z.array(OperationStep),
  /** What was asked for, for the worker that does it. */
  params: z.record(z.string(), z.unknown()),
  result: z.record(z.string(), z.unknown()).exactOptional(),
  problem: Failure.exactOptional(),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Operation = z.infer<typeof Operation>;

export function hasEnded(state: OperationState): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

export function cancelledError(id: OperationId): ThawError {
  return new ThawError('cancelled', `operation ${id} was cancelled`, { fix: 'Ask for it again.' });
}
