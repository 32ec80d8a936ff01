import { mkdir, readdir, rename, rm } from 'node:fs/promises';
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

/** Answers false when the sandbox is gone, and does not bring it back. */
export async function changeSandboxRecord(runDir: string, id: InstanceId, record: SandboxRecord): Promise<boolean> {
  try {
    await writeJsonFile(recordPath(runDir, id), record);
    return true;
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return false;
    throw error;
  }
}

/**
 * Removes the record, the sandbox's files with it, and answers its last state. At one instant: what another process changes is in that
 * state, or it is too late to change anything.
 */
export async function takeSandboxRecord(runDir: string, id: InstanceId): Promise<SandboxRecord | undefined> {
  const taken = join(takenDir(runDir), id);
  await rm(taken, { recursive: true, force: true }); // of an earlier removal that was cut off
  await mkdir(takenDir(runDir), { recursive: true });
  try {
    await rename(sandboxDir(runDir, id), taken);
  } catch (error) {
    if (isErrnoError(error, 'ENOENT')) return undefined;
    throw error;
  }
  const record = await readJsonFile(join(taken, recordName), SandboxRecord);
  await rm(taken, { recursive: true, force: true });
  return record;
}

export async function removeAllRecords(runDir: string): Promise<void> {
  for (const directory of [sandboxesDir(runDir), takenDir(runDir)]) await rm(directory, { recursive: true, force: true });
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

const recordName = 'sandbox.json';

function recordPath(runDir: string, id: InstanceId): string {
  return join(sandboxDir(runDir, id), recordName);
}

/** On the same tmpfs as the sandboxes, so that a directory can be renamed into it. */
function takenDir(runDir: string): string {
  return join(runDir, 'removed-sandboxes');
}
