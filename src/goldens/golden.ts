import { z } from 'zod';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { Failure } from '#src/platform/failure.ts';
import { GoldenId, OperationId } from '#src/platform/ids.ts';
import { TemplateSpec } from '#src/templates/template.ts';

export const GoldenState = z.enum(['capturing', 'sealing', 'verifying', 'ready', 'retired', 'deleted', 'failed']);
export type GoldenState = z.infer<typeof GoldenState>;

/** Where a golden can go. What is under way can begin again after a crash; what is ready never changes, it can only go: deleted, or failed when its files are no longer what was sealed. */
const transitions: Readonly<Record<GoldenState, readonly GoldenState[]>> = {
  capturing: ['capturing', 'sealing', 'failed', 'deleted'],
  sealing: ['capturing', 'verifying', 'failed', 'deleted'],
  verifying: ['capturing', 'ready', 'failed', 'deleted'],
  ready: ['retired', 'failed', 'deleted'],
  retired: ['failed', 'deleted'],
  failed: ['deleted'],
  deleted: [],
};

/** What a script accepts as the state before `to`. */
export function goldenStatesBefore(to: GoldenState): GoldenState[] {
  return GoldenState.options.filter((from) => transitions[from].includes(to));
}

/** Its capture has not ended. */
export function isUnderWay(state: GoldenState): boolean {
  return state === 'capturing' || state === 'sealing' || state === 'verifying';
}

/** Its capture has ended well: clones were made from it. */
export function isSealed(state: GoldenState): boolean {
  return state === 'ready' || state === 'retired';
}

/** Clones can be made from it, or soon, so that its files are kept. */
export function keepsFiles(state: GoldenState): boolean {
  return isUnderWay(state) || isSealed(state);
}

/** One immutable, numbered checkpoint of a template's ready container. Times in ms since the epoch. */
export const Golden = z.object({
  id: GoldenId,
  template: z.string(),
  number: z.number().int(),
  state: GoldenState,
  /** Where its files are. */
  node: z.string(),
  /** The capture that made it. */
  operation: OperationId,
  templateEtag: z.string(),
  /** The template as it was at the capture: clones are judged by this one, not by what the template says today (law 5). */
  spec: TemplateSpec,
  createdAt: z.number(),
  sizeBytes: z.number().exactOptional(),
  pagesBytes: z.number().exactOptional(),
  digest: z.string().exactOptional(),
  fingerprint: NodeFingerprint.exactOptional(),
  timingsMs: z.record(z.string(), z.number()),
  problem: Failure.exactOptional(),
});
export type Golden = z.infer<typeof Golden>;
