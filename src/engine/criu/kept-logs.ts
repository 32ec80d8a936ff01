import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const keptMax = 100;

/** Copies the log of a failure into `directory`, where the newest hundred are kept. Answers the copy's path, or why there is none. */
export function keepLog(directory: string, file: string, name: string): string {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const kept = join(directory, name);
    copyFileSync(file, kept);
    const failures = readdirSync(directory).filter((entry) => /^(?:dump|restore)-/.test(entry));
    const oldestFirst = failures.map((entry) => ({ entry, at: statSync(join(directory, entry)).mtimeMs })).sort((a, b) => a.at - b.at);
    for (const { entry } of oldestFirst.slice(0, -keptMax)) rmSync(join(directory, entry), { force: true });
    return kept;
  } catch {
    return 'none was written';
  }
}
