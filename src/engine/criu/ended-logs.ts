import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataPaths } from '#src/platform/config.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { readLog } from './conmon.ts';
import type { InstanceLayout } from './instance-layout.ts';

const keptBytes = 65_536;
const keptMs = 7 * 24 * 3_600_000;
/** Beside the age, so that a busy node does not fill its disk: 1.3 GB at most. */
const keptMax = 20_000;

/** Keeps the end of what an instance said that a claim held, before its files go. Where that fails, the instance is destroyed all the same. */
export async function keepEndedLog(paths: DataPaths, layout: InstanceLayout, id: InstanceId): Promise<void> {
  if (!existsSync(layout.bound) || !existsSync(layout.log)) return;
  try {
    mkdirSync(directoryOf(paths), { recursive: true, mode: 0o700 });
    await writeFile(fileOf(paths, id), readLog(layout.log, keptBytes), { mode: 0o600 });
  } catch {
    // A full disk: what frees it goes on.
  }
}

/** Undefined when none is kept, or no more. */
export function readEndedLog(paths: DataPaths, id: InstanceId, maxBytes: number): string | undefined {
  const file = fileOf(paths, id);
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  return bytes.subarray(Math.max(0, bytes.length - maxBytes)).toString('utf8');
}

/** Removes logs that are a week old, and of more than 20,000 the oldest. */
export async function forgetEndedLogs(paths: DataPaths): Promise<void> {
  const directory = directoryOf(paths);
  if (!existsSync(directory)) return;
  const names = await readdir(directory);
  const files = await Promise.all(
    names.map(async (name) => ({ path: join(directory, name), at: (await stat(join(directory, name))).mtimeMs })),
  );
  const newestFirst = files.toSorted((a, b) => b.at - a.at);
  const old = newestFirst.filter(({ at }, index) => index >= keptMax || Date.now() - at > keptMs);
  await Promise.all(old.map(({ path }) => rm(path, { force: true })));
}

function directoryOf(paths: DataPaths): string {
  return join(paths.logs, 'ended');
}

function fileOf(paths: DataPaths, id: InstanceId): string {
  return join(directoryOf(paths), `${id}.log`);
}
