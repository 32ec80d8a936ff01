import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { z } from 'zod';
import { Workload } from '#src/engine/workload.ts';
import { GoldenId, InstanceId } from '#src/platform/ids.ts';
import { isAlive, LiveProcess } from '#src/platform/live-process.ts';
import type { InstanceLayout } from './instance-layout.ts';

/** The engine's own note of one instance, beside its files. Complete once a process runs; before that it marks what to clean up. */
const InstanceRecord = z.object({
  id: InstanceId,
  bootId: z.string(),
  golden: GoldenId.optional(),
  /** Of the golden's files that it runs on: others may take their place meanwhile. */
  goldenDigest: z.string().exactOptional(),
  imageDigest: z.string(),
  workload: Workload,
  address: z.string(),
  /** The host's directory behind /run/thaw. */
  runThaw: z.string(),
  uid: z.number(),
  gid: z.number(),
  /** Absent while the instance is half-made. */
  process: LiveProcess.optional(),
  /** Set before a dump ends the process, so that its exit is not taken for a failure. */
  dumped: z.boolean().default(false),
  timingsMs: z.record(z.string(), z.number()).default({}),
});
export type InstanceRecord = z.infer<typeof InstanceRecord>;

/** Whom the instance was bound to. No secrets (law 8); it outlives a Redis that comes back older than the world. */
const BoundRecord = z.object({ claim: z.string(), tenant: z.string(), expiresAt: z.string() });
export type BoundRecord = z.infer<typeof BoundRecord>;

/** The part of a record that a bind needs: on the claim's path, parsing the whole would take longer than the rest of the bind. */
const BindView = InstanceRecord.pick({ address: true, runThaw: true, uid: true, gid: true, process: true }).extend({
  workload: z.object({ egress: Workload.shape.egress, hooks: Workload.shape.hooks }),
});
type BindView = z.infer<typeof BindView>;

export function readBindView(layout: InstanceLayout): BindView | undefined {
  return readParsed(layout.record, BindView);
}

/** Whether the record is complete and its first process lives. Pids mean nothing across a boot, start times differ then. */
export function isRunning<T extends Pick<InstanceRecord, 'process'>>(record: T | undefined): record is T {
  return record?.process !== undefined && isAlive(record.process);
}

export function readInstanceRecord(layout: InstanceLayout): InstanceRecord | undefined {
  return readParsed(layout.record, InstanceRecord);
}

export function writeInstanceRecord(layout: InstanceLayout, record: InstanceRecord): void {
  writeWhole(layout.record, JSON.stringify(record));
}

export function readBoundRecord(layout: InstanceLayout): BoundRecord | undefined {
  return readParsed(layout.bound, BoundRecord);
}

export function writeBoundRecord(layout: InstanceLayout, bound: BoundRecord): void {
  writeWhole(layout.bound, JSON.stringify(bound));
}

/** A torn or missing file is no record: the instance counts as partial. */
function readParsed<T>(file: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** By rename, so that a reader sees the old or the new. No fsync: after a power cut no instance lives anyway. */
function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
