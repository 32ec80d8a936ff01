import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isErrnoError } from '#src/platform/errno.ts';
import { InstanceId } from '#src/platform/ids.ts';
import { readJsonFile, writeJsonFile } from './json-file.ts';

/** What is known of a sandbox, beside its files. Written before anything of it exists on the host, and removed after all of it. */
const SandboxRecord = z.object({
  address: z.ipv4(),
  /** `internet` from before the firewall lets the address out until after it no longer does. */
  egress: z.enum(['none', 'internet']),
  /** False until everything is there. */
  made: z.boolean(),
});
export type SandboxRecord = z.infer<typeof SandboxRecord>;

/** One directory per sandbox, named by the instance, in a tmpfs: like the namespaces, all of it ends with the boot. */
export function sandboxesDir(runDir: string): string {
  return join(runDir, 'sandboxes');
}

export function sandboxDir(runDir: string, id: InstanceId): string {
  return join(sandboxesDir(runDir), id);
}

export function readSandboxRecord(runDir: string, id: InstanceId): Promise<SandboxRecord | undefined> {
  return readJsonFile(recordPath(runDir, id), SandboxRecord);
}

/** Makes the sandbox's directory too. */
export async function writeSandboxRecord(runDir: string, id: InstanceId, record: SandboxRecord): Promise<void> {
  await mkdir(sandboxDir(runDir, id), { recursive: true });
  await writeJsonFile(recordPath(runDir, id), record);
}

/** Removes the sandbox's files with it. */
export function removeSandboxRecord(runDir: string, id: InstanceId): Promise<void> {
  return rm(sandboxDir(runDir, id), { recursive: true, force: true });
}

/** Instances that have a directory, with or without a record. */
export async function listSandboxDirs(runDir: string): Promise<InstanceId[]> {
  try {
    return (await readdir(sandboxesDir(runDir))).flatMap((name) => InstanceId.safeParse(name).data ?? []);
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return [];
    throw error;
  }
}

export async function readAllRecords(runDir: string): Promise<Map<InstanceId, SandboxRecord>> {
  const records = new Map<InstanceId, SandboxRecord>();
  for (const id of await listSandboxDirs(runDir)) {
    const record = await readSandboxRecord(runDir, id);
    if (record) records.set(id, record);
  }
  return records;
}

function recordPath(runDir: string, id: InstanceId): string {
  return join(sandboxDir(runDir, id), 'sandbox.json');
}
