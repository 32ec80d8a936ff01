import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { ArchiveEngine, ArchiveLayout } from './archive.ts';
import { archiveInvalid } from './archive-problems.ts';

const Annotated = z.looseObject({ annotations: z.record(z.string(), z.string()).nullish() });

/** Who made an unpacked archive. Throws archive_invalid when it can not be told, because what every engine writes is missing or no JSON. */
export function readEngine(layout: ArchiveLayout): ArchiveEngine {
  if (existsSync(join(layout.own, 'golden.json'))) return 'thaw';
  readDump(layout.config, z.looseObject({}));
  const manager = readDump(layout.spec, Annotated).annotations?.['io.container.manager'];
  if (manager === 'libpod') return 'podman';
  return manager === 'cri-o' ? 'cri-o' : 'containerd';
}

/** A JSON file of an archive. Throws archive_invalid naming it. */
export function readDump<T>(file: string, schema: z.ZodType<T>): T {
  const name = basename(file);
  if (!existsSync(file)) throw archiveInvalid(name, 'is missing');
  const parsed = schema.safeParse(parseJson(readFileSync(file, 'utf8')));
  if (!parsed.success) throw archiveInvalid(name, `is not what engines write there (${z.prettifyError(parsed.error).slice(0, 300)})`);
  return parsed.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
