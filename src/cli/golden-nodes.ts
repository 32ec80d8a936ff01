import { z } from 'zod';

const GoldenNode = z.object({
  node: z.string(),
  compatible: z.boolean(),
  has: z.boolean(),
  reasons: z.array(z.string()).optional(),
  build: z.object({ state: z.string(), operation: z.string(), problem: z.object({ message: z.string() }).optional() }).optional(),
});
type GoldenNode = z.infer<typeof GoldenNode>;

/** Of a golden as REST shows it: where clones of it can be made, and why not elsewhere. */
export const GoldenNodes = z.array(GoldenNode).optional();

export function canRestore({ compatible, has }: GoldenNode): boolean {
  return compatible && has;
}

/** Why no clone is made there: `kernel 6.18.1 instead of 6.12.0; its own build is being captured, see …`. */
export function tellReasons({ reasons = [], build }: GoldenNode): string {
  return [reasons.join(', '), build && tellBuild(build)].filter(Boolean).join('; ');
}

function tellBuild({ state, operation, problem }: NonNullable<GoldenNode['build']>): string {
  const how = state === 'failed' ? `could not be captured (${problem?.message ?? 'for a reason that is not known'})` : 'is being captured';
  return `its own build ${how}, see \`thaw operations ${operation}\``;
}
