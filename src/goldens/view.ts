import { z } from '@hono/zod-openapi';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { Failure } from '#src/platform/failure.ts';
import { GoldenId, OperationId } from '#src/platform/ids.ts';
import { type Golden, GoldenState } from './golden.ts';

/** A golden as REST shows it. */
export const GoldenView = z
  .object({
    id: GoldenId,
    template: z.string(),
    number: z.number().int(),
    state: GoldenState,
    node: z.string(),
    operation: OperationId.openapi({ description: 'The capture that made it' }),
    templateEtag: z.string().openapi({ description: 'Of the template as it was at the capture' }),
    sizeBytes: z.number().int().optional(),
    pagesBytes: z.number().int().optional().openapi({ description: 'The memory pages alone' }),
    digest: z.string().optional(),
    fingerprint: NodeFingerprint.optional(),
    timingsMs: z.record(z.string(), z.number()),
    problem: Failure.optional(),
    createdAt: z.iso.datetime(),
  })
  .openapi('Golden');

export function viewGolden({ spec: _spec, createdAt, ...golden }: Golden): z.infer<typeof GoldenView> {
  return { ...golden, createdAt: new Date(createdAt).toISOString() };
}
