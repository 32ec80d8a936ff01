import { z } from '@hono/zod-openapi';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import type { Golden } from '#src/goldens/golden.ts';
import type { Node } from '#src/nodes/node.ts';
import { Failure } from '#src/platform/failure.ts';
import { OperationId } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { BuildState, type GoldenBuild, judgeNode } from './build.ts';
import { readBuilds } from './store.ts';

/** Where clones of a golden can be made, as REST shows it beside the golden. */
export const GoldenOnNodes = z.object({
  nodes: z.array(
    z.object({
      node: z.string(),
      compatible: z.boolean().openapi({ description: 'A build is known that the node can restore' }),
      has: z.boolean().openapi({ description: 'Its files are there' }),
      reasons: z
        .array(z.string())
        .optional()
        .openapi({ description: 'Why no clone is made there', example: ['kernel 6.18.1 instead of 6.12.0'] }),
      build: z
        .object({ state: BuildState, operation: OperationId, problem: Failure.optional() })
        .optional()
        .openapi({ description: 'The capture of a build for that node, while it is under way or when it failed' }),
    }),
  ),
  builds: z
    .array(
      z.object({
        class: z.string().openapi({ description: 'Of the nodes between which nothing differs that a golden depends on' }),
        state: BuildState,
        nodes: z.array(z.string()).openapi({ description: 'Where its files are' }),
        operation: OperationId.openapi({ description: 'Of the capture that made it' }),
        since: z.iso.datetime(),
        fingerprint: NodeFingerprint.optional(),
        digest: z.string().optional(),
        sizeBytes: z.number().int().optional(),
        timingsMs: z.record(z.string(), z.number()).optional(),
        problem: Failure.optional(),
      }),
    )
    .openapi({ description: 'What the golden is on each class of nodes; its own capture is the first' }),
});
export type GoldenOnNodes = z.infer<typeof GoldenOnNodes>;

export async function viewOnNodes(redis: Redis, golden: Golden, nodes: readonly Node[]): Promise<GoldenOnNodes> {
  const found = await readBuilds(redis, golden);
  if (found.builds.length === 0) return { nodes: [], builds: [] };
  const builds = found.builds.map((build) => viewBuild(build, nodesWith(found.files, build.class)));
  return {
    nodes: nodes.map((node) => {
      const { compatible, has, reasons, making } = judgeNode(found, node);
      return {
        ...{ node: node.name, compatible, has },
        ...(reasons.length === 0 ? {} : { reasons: [...reasons] }),
        ...(making && { build: viewMaking(making) }),
      };
    }),
    builds: builds.filter((build) => build.state !== 'ready' || build.nodes.length > 0), // what was replaced is history
  };
}

function nodesWith(files: ReadonlyMap<string, string>, of: string): string[] {
  return [...files].flatMap(([node, its]) => (its === of ? [node] : [])).toSorted();
}

function viewBuild(build: GoldenBuild, nodes: string[]): GoldenOnNodes['builds'][number] {
  const { at, node: _maker, evidence: _evidence, pagesBytes: _pages, ...rest } = build;
  return { ...rest, nodes, since: new Date(at).toISOString() };
}

function viewMaking({ state, operation, problem }: GoldenBuild): NonNullable<GoldenOnNodes['nodes'][number]['build']> {
  return { state, operation, ...(problem && { problem }) };
}
