import { readdirSync } from 'node:fs';
import { basename } from 'node:path';
import type { DataPaths } from '#src/platform/config.ts';

/** The names in the data directory that Thaw did not put there. `lost+found` is the file system's. */
export function listStrangers(paths: DataPaths): string[] {
  const own = new Set(Object.values(paths).map((path) => basename(path)));
  return readdirSync(paths.dataDir).filter((name) => !own.has(name.replace(/\.new$/, '')) && !isLeftover(name) && name !== 'lost+found');
}

/** What a `thaw doctor` that was killed left. */
export function isLeftover(name: string): boolean {
  return name.startsWith('.thaw-doctor-');
}
