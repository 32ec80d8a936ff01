import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Connection } from '#src/engine/connection.ts';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { Workload } from '#src/engine/workload.ts';
import { GoldenId } from '#src/platform/ids.ts';
import { goldenCorrupt } from './golden-seal.ts';
import type { GoldenLayout } from './instance-layout.ts';

/** What a restore needs to know of a golden, beside its images. */
export const GoldenRecord = z.object({
  golden: GoldenId,
  workload: Workload,
  imageDigest: z.string(),
  uid: z.number(),
  gid: z.number(),
  /** What stdin, stdout and stderr were: `pipe:[inode]` ones are replaced by those of the clone's conmon. */
  descriptors: z.array(z.string()),
  externalMounts: z.array(z.string()),
  pagesBytes: z.number(),
  /** Established when the primer was stopped, and closed. */
  connections: z.array(Connection).default([]),
  /** When the primer was stopped: a clone's clocks go on from there. */
  checkpointedAtMs: z.number(),
  cpuMs: z.number(),
  fingerprint: NodeFingerprint,
  timingsMs: z.record(z.string(), z.number()),
});
export type GoldenRecord = z.infer<typeof GoldenRecord>;

/** Throws golden_corrupt for one of another version. */
export function readRecord({ record }: GoldenLayout, golden: GoldenId): GoldenRecord {
  const parsed = GoldenRecord.safeParse(JSON.parse(readFileSync(record, 'utf8')));
  if (!parsed.success) throw goldenCorrupt(golden, record, 'is no record of a golden of this version');
  return { ...parsed.data, golden }; // one that was imported keeps its files to the bit, and with them the id it had elsewhere
}
