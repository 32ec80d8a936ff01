import { z } from 'zod';
import { Connection } from '#src/engine/connection.ts';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { ScanReport } from '#src/engine/scan-report.ts';
import { Failure } from '#src/platform/failure.ts';
import { GoldenId, OperationId } from '#src/platform/ids.ts';
import { TemplateSpec } from '#src/templates/template.ts';
import { Evidence } from './evidence.ts';

export const GoldenState = z.enum(['capturing', 'sealing', 'verifying', 'ready', 'retired', 'deleted', 'failed']);
export type GoldenState = z.infer<typeof GoldenState>;

/** `keep`: the template keeps fewer; `disk`: the node's budget needed the room; `request`: somebody asked. */
const DropReason = z.enum(['keep', 'disk', 'request']);
export type DropReason = z.infer<typeof DropReason>;

/** Where a golden can go. What is under way can begin again after a crash; what is ready never changes, it can only go: retired and deleted, or failed when its files are no longer what was sealed. */
const transitions: Readonly<Record<GoldenState, readonly GoldenState[]>> = {
  capturing: ['capturing', 'sealing', 'failed', 'deleted'],
  sealing: ['capturing', 'verifying', 'failed', 'deleted'],
  verifying: ['capturing', 'ready', 'failed', 'deleted'],
  ready: ['retired', 'failed', 'deleted'],
  retired: ['failed', 'deleted'],
  failed: ['retired', 'deleted'],
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
  /** Where it was captured. Where files of it are by now, its builds tell. */
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
  /** How long each step of its making took (ms): the operation that tells it too is forgotten after a while. */
  steps: z.array(z.object({ name: z.string(), tookMs: z.number() })).exactOptional(),
  problem: Failure.exactOptional(),
  /** Of its files, what no other golden of the node shares: deleting it frees that much. As of the last time that goldens came or went there. */
  uniqueBytes: z.number().exactOptional(),
  /** Why it was retired or deleted. */
  droppedFor: DropReason.exactOptional(),
  /** What whoever asked for it wrote down. */
  notes: z.string().exactOptional(),
  /** The key that asked for it. */
  requestedBy: z.object({ key: z.string(), name: z.string() }).exactOptional(),
  /** `sha256:…` of the image it was started from. */
  imageDigest: z.string().exactOptional(),
  /** Closed by the checkpoint. */
  connections: z.array(Connection).exactOptional(),
  scan: ScanReport.exactOptional(),
  /** Of the last verify. */
  evidence: Evidence.exactOptional(),
  /** Id of the key that signed its manifest. */
  signedBy: z.string().exactOptional(),
  /** Id of the key that its data key is wrapped by. */
  encryptedWith: z.string().exactOptional(),
  /** Where it came from; absent: a capture here. */
  origin: z.object({ kind: z.enum(['archive', 'image']), from: z.string(), engine: z.string().exactOptional() }).exactOptional(),
});
export type Golden = z.infer<typeof Golden>;
