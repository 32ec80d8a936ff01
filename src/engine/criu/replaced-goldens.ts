import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import type { DataPaths } from '#src/platform/config.ts';
import { GoldenId } from '#src/platform/ids.ts';
import { type GoldenLayout, instanceLayout, readInstanceIds } from './instance-layout.ts';
import { readInstanceRecord } from './instance-record.ts';

/** Files of a golden that gave way to others: `<number>.replaced-<digits of their digest>` beside those. */
export interface ReplacedGolden {
  readonly directory: string;
  readonly golden: GoldenId;
  readonly digits: string;
}

const namePattern = /^([1-9][0-9]*)\.replaced-([0-9a-f]+)$/;
const digitsKept = 16;

/** Overlay mounts go on through a rename: what runs on the files goes on. */
export function setAside({ directory, manifest }: GoldenLayout): void {
  const digest = createHash('sha256').update(readFileSync(manifest)).digest('hex'); // that of the seal
  renameSync(directory, `${directory}.replaced-${digitsOf(digest)}`);
}

export function listReplaced(paths: DataPaths): ReplacedGolden[] {
  return readNames(paths.goldens).flatMap((template) =>
    readNames(join(paths.goldens, template)).flatMap((name) => {
      const [, number, digits = ''] = namePattern.exec(name) ?? [];
      const golden = GoldenId.safeParse(`${template}@${number}`);
      return golden.success ? [{ directory: join(paths.goldens, template, name), golden: golden.data, digits }] : [];
    }),
  );
}

/** Whether an instance runs on the files. One that is half-made, or of a worker that did not note it, may. */
export function isRunOn(paths: DataPaths, { golden, digits }: ReplacedGolden): boolean {
  return readInstanceIds(paths.instances).some((id) => {
    const record = readInstanceRecord(instanceLayout(paths, id));
    if (!record) return true;
    return record.golden === golden && (record.goldenDigest === undefined || digitsOf(record.goldenDigest) === digits);
  });
}

function digitsOf(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, digitsKept);
}

function readNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
