import { z } from 'zod';

/** What a golden depends on; compared before a golden is placed on a node. */
export const NodeFingerprint = z.object({
  arch: z.string(),
  kernel: z.string(),
  engine: z.string(),
  criu: z.string().exactOptional(),
  runc: z.string().exactOptional(),
  cgroup: z.enum(['v1', 'v2']).exactOptional(),
});
export type NodeFingerprint = z.infer<typeof NodeFingerprint>;
