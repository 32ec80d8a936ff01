import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SandboxFiles } from '#src/engine/sandbox/sandbox.ts';

/** Where one sandbox's files lie. */
export function sandboxFiles(directory: string): SandboxFiles {
  return {
    runThaw: join(directory, 'thaw'),
    hostname: join(directory, 'hostname'),
    hosts: join(directory, 'hosts'),
    resolvConf: join(directory, 'resolv.conf'),
    machineId: join(directory, 'machine-id'),
  };
}

/** Writes what an instance reads of itself. The machine id is new at each call, and nobody else's. */
export async function writeSandboxFiles(
  files: SandboxFiles,
  identity: { readonly hostname: string; readonly address: string; readonly resolvConf: string },
): Promise<void> {
  await Promise.all([
    mkdir(files.runThaw, { recursive: true, mode: 0o755 }),
    writeFile(files.hostname, `${identity.hostname}\n`),
    writeFile(files.hosts, `127.0.0.1\tlocalhost\n${identity.address}\t${identity.hostname}\n`),
    writeFile(files.resolvConf, identity.resolvConf),
    writeFile(files.machineId, `${randomBytes(16).toString('hex')}\n`),
  ]);
}
