import { z } from 'zod';

/** What a golden depends on; compared before a golden is placed on a node (nodes/compatibility.ts). Records of older workers lack some fields. */
export const NodeFingerprint = z.object({
  arch: z.string(),
  /** As `uname -r` tells it. */
  kernel: z.string(),
  engine: z.string(),
  criu: z.string().exactOptional(),
  runc: z.string().exactOptional(),
  cgroup: z.enum(['v1', 'v2']).exactOptional(),
  /** As /proc/cpuinfo lists them, sorted. */
  cpuFlags: z.array(z.string()).exactOptional(),
  /** The kernel's security modules as /sys/kernel/security/lsm lists them, or `none`. */
  lsm: z.string().exactOptional(),
});
export type NodeFingerprint = z.infer<typeof NodeFingerprint>;
