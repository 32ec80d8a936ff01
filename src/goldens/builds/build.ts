import { z } from 'zod';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { Evidence } from '#src/goldens/evidence.ts';
import type { Golden } from '#src/goldens/golden.ts';
import { canCaptureToo, nodeClass, reasonsAgainst } from '#src/nodes/compatibility.ts';
import type { Node } from '#src/nodes/node.ts';
import { Failure } from '#src/platform/failure.ts';
import { OperationId } from '#src/platform/ids.ts';

export const BuildState = z.enum(['building', 'ready', 'failed']);
export type BuildState = z.infer<typeof BuildState>;

/**
 * What a golden is on one class of nodes: files that its nodes can restore. The golden itself never changes (law 5): each build comes from
 * the golden's own copy of the template and, where that is known, from the same image. The golden's capture is its first build. Times in ms.
 */
export const GoldenBuild = z.object({
  /** Of the nodes that can restore it (nodeClass). */
  class: z.string(),
  state: BuildState,
  /** Where it was made, or is. */
  node: z.string(),
  operation: OperationId,
  /** Of that node. Absent on a golden of which nobody recorded it. */
  fingerprint: NodeFingerprint.exactOptional(),
  /** When it came into its state, by Redis' clock. */
  at: z.number(),
  digest: z.string().exactOptional(),
  sizeBytes: z.number().exactOptional(),
  pagesBytes: z.number().exactOptional(),
  timingsMs: z.record(z.string(), z.number()).exactOptional(),
  evidence: Evidence.exactOptional(),
  problem: Failure.exactOptional(),
});
export type GoldenBuild = z.infer<typeof GoldenBuild>;

/** All builds of a golden, and where the files of each are. */
export interface GoldenBuilds {
  readonly builds: readonly GoldenBuild[];
  /** Node → class: a node has the files of one build at most. */
  readonly files: ReadonlyMap<string, string>;
}

/** The golden's own capture as its first build; undefined while there is nothing to restore. */
export function firstBuild({ state, digest, node, operation, fingerprint, createdAt, ...golden }: Golden): GoldenBuild | undefined {
  if (state !== 'ready' && state !== 'retired') return undefined;
  const { sizeBytes, pagesBytes, timingsMs } = golden;
  return {
    ...{ class: fingerprint ? nodeClass(fingerprint) : 'unknown', state: 'ready', node, operation, at: createdAt, timingsMs },
    ...(fingerprint && { fingerprint }),
    ...(digest === undefined ? {} : { digest }),
    ...(sizeBytes === undefined ? {} : { sizeBytes }),
    ...(pagesBytes === undefined ? {} : { pagesBytes }),
  };
}

/** Of the files that a node has; undefined where it has none that are ready, or nobody recorded it. */
export function digestOn({ builds, files }: GoldenBuilds, node: string): string | undefined {
  return builds.find(({ state, class: of }) => state === 'ready' && of === files.get(node))?.digest;
}

type Judged = Pick<Node, 'name' | 'fingerprint'>;

export interface NodeVerdict {
  /** A build is known that the node can restore. */
  readonly compatible: boolean;
  /** The files are there: of that build, or else of one that the node can not restore. */
  readonly has: boolean;
  /** Why no clone can be made there, in words. */
  readonly reasons: readonly string[];
  /** Of the node's class: under way, or failed. */
  readonly making: GoldenBuild | undefined;
}

/** Whether clones of a golden can be made on a node. Pure. */
export function judgeNode({ builds, files }: GoldenBuilds, { name, fingerprint }: Judged): NodeVerdict {
  const here = files.get(name);
  const candidates = builds
    .filter(({ state, class: of }) => state === 'ready' && [...files.values()].includes(of))
    .map((build) => ({ has: build.class === here, against: build.fingerprint ? reasonsAgainst(build.fingerprint, fingerprint) : [] }))
    .toSorted((a, b) => Math.sign(a.against.length) - Math.sign(b.against.length) || Number(b.has) - Number(a.has));
  const [best] = candidates;
  const ofNode = nodeClass(fingerprint);
  const making = builds.find((build) => build.state !== 'ready' && build.class === ofNode);
  const compatible = best !== undefined && best.against.length === 0;
  const has = best?.has ?? false;
  const reasons = [...(best?.against ?? []), ...(has ? [] : ['its files are not there'])];
  return { compatible, has, reasons, making };
}

/** After a failure the same is not tried again for so long; after one for want of room (memory, disk) the shorter time. */
export const buildRestMs = 600_000;
export const noRoomRestMs = 30_000;

function restOf({ problem }: Pick<GoldenBuild, 'problem'>): number {
  return problem?.class === 'capacity' ? noRoomRestMs : buildRestMs;
}

/**
 * Whether a build of the golden should be captured on a node: no build that is known can be restored there, and one made there could. What was
 * imported is not: its state came from elsewhere, and a new start does not bring it back. Pure; `now` in ms.
 */
export function wantsBuild({ state, fingerprint, origin }: Golden, found: GoldenBuilds, node: Judged, now: number): boolean {
  if (state !== 'ready' || fingerprint === undefined || origin !== undefined || !canCaptureToo(fingerprint, node.fingerprint)) return false;
  const { compatible, making } = judgeNode(found, node);
  if (compatible || making?.state === 'building') return false;
  return making === undefined || now - making.at >= restOf(making);
}
