import { z } from '@hono/zod-openapi';
import { Connection } from '#src/engine/connection.ts';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { ScanReport } from '#src/engine/scan-report.ts';
import { Failure } from '#src/platform/failure.ts';
import { GoldenId, OperationId } from '#src/platform/ids.ts';
import { GoldenOnNodes } from './builds/view-on-nodes.ts';
import { Evidence } from './evidence.ts';
import { Golden, GoldenState } from './golden.ts';

/** A golden as REST shows it. */
export const GoldenView = z
  .object({
    id: GoldenId,
    template: z.string(),
    number: z.number().int(),
    state: GoldenState.openapi({
      description: '`retired`: takes no new clones, can not be promoted, and is deleted when the instances on it have ended',
    }),
    droppedFor: Golden.shape.droppedFor.unwrap().optional().openapi({
      description: "Why it was retired or deleted: the template's `keep`, the node's disk budget, or somebody's request",
    }),
    node: z.string(),
    operation: OperationId.openapi({ description: 'The capture that made it' }),
    templateEtag: z.string().openapi({ description: 'Of the template as it was at the capture' }),
    sizeBytes: z.number().int().optional(),
    pagesBytes: z.number().int().optional().openapi({ description: 'The memory pages alone' }),
    uniqueBytes: z.number().int().optional().openapi({
      description: 'What no other golden of its node shares: deleting it frees that much. As of when goldens last came or went there',
    }),
    digest: z.string().optional(),
    fingerprint: NodeFingerprint.optional(),
    timingsMs: z.record(z.string(), z.number()),
    steps: Golden.shape.steps.unwrap().optional().openapi({ description: 'How long each step of its making took' }),
    problem: Failure.optional(),
    createdAt: z.iso.datetime(),
    notes: z.string().optional(),
    requestedBy: Golden.shape.requestedBy.unwrap().optional().openapi({ description: 'The API key that asked for it' }),
    imageDigest: z.string().optional().openapi({ description: 'Of the image its primer was started from' }),
    connections: z.array(Connection).optional().openapi({ description: 'What was connected at the checkpoint, and was closed by it' }),
    scan: ScanReport.optional().openapi({ description: 'What looks like a secret in its memory; never the value' }),
    evidence: Evidence.extend({ verifiedAt: z.iso.datetime() }).optional().openapi({ description: 'What the last verify measured' }),
    signedBy: z.string().optional().openapi({ description: 'Id of the key that signed its manifest' }),
    encryptedWith: z.string().optional().openapi({ description: 'Id of the key that its data key is wrapped by' }),
    ...GoldenOnNodes.partial().shape,
    origin: Golden.shape.origin.unwrap().optional().openapi({ description: 'Where it was imported from; absent: captured here' }),
  })
  .openapi('Golden');

export function viewGolden({ spec: _spec, createdAt, evidence, ...golden }: Golden): z.infer<typeof GoldenView> {
  return {
    ...golden,
    createdAt: new Date(createdAt).toISOString(),
    ...(evidence && { evidence: { ...evidence, verifiedAt: new Date(evidence.verifiedAt).toISOString() } }),
  };
}
