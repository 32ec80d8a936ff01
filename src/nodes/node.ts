import { z } from 'zod';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';

/** `suspected` and `gone` are derived from the age of the last heartbeat. */
export const NodeState = z.enum(['ready', 'suspected', 'cordoned', 'gone']);
export type NodeState = z.infer<typeof NodeState>;

const NodeCapacity = z.object({
  memoryBytes: z.number(),
  memoryFreeBytes: z.number(),
  diskFreeBytes: z.number(),
  cpus: z.number(),
});

/** A machine that can run instances, as its last heartbeat told. */
export const Node = z.object({
  name: z.string(),
  state: NodeState,
  /** /proc/sys/kernel/random/boot_id: another one means that every instance of the node has ended. */
  bootId: z.string(),
  /** Of the node agent: `unix:/path` or `http://host:port`. */
  agent: z.string(),
  fit: z.boolean(),
  /** Why it is not fit. */
  problems: z.array(z.string()),
  capacity: NodeCapacity,
  fingerprint: NodeFingerprint,
  /** Last heartbeat, ms since the epoch. */
  at: z.number(),
});
export type Node = z.infer<typeof Node>;
