import { mkdirSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { z } from 'zod';
import { goldenCorrupt } from '#src/engine/criu/golden-seal.ts';
import { Semaphore } from '#src/platform/semaphore.ts';
import type { EncryptionHeader } from './data-key.ts';
import { decryptFile, TamperedFileError } from './decrypt-file.ts';
import { unpackTree } from './pack-tree.ts';
import { fileList, packedDiff, plainPath } from './sealed-path.ts';

const filesAtOnce = 2;

/** Whoever has the wrapping key can have written the list of an import: it names nothing outside of the golden. */
const InnerPath = z.string().refine((path) => path === normalize(path) && !isAbsolute(path) && path !== '..' && !path.startsWith('../'));

/**
 * Writes the plain files of an encrypted golden into an empty directory, laid out as a plain golden is. Throws golden_corrupt that names the
 * file which is not what was encrypted; what was written until then is the caller's to remove.
 */
export async function decryptGolden(key: Buffer, { golden }: EncryptionHeader, directory: string, plainDirectory: string): Promise<void> {
  const places = new Semaphore(filesAtOnce);
  const piecesOf = (path: string) => decryptFile(key, { golden, path }, join(directory, path));
  const decrypt = (path: string) =>
    places.run(async () => {
      if (path === packedDiff) await unpackDiff(piecesOf(path), join(plainDirectory, 'diff'));
      else await writePieces(piecesOf(path), join(plainDirectory, plainPath(path)));
    });
  try {
    const results = await Promise.allSettled((await readFileList(join(directory, fileList), piecesOf(fileList))).map(decrypt));
    for (const result of results) if (result.status === 'rejected') throw result.reason; // all have ended: nothing is written after a clean-up
  } catch (error) {
    throw error instanceof TamperedFileError ? goldenCorrupt(golden, error.file, error.what) : error;
  }
}

async function readFileList(file: string, pieces: AsyncIterable<Buffer>): Promise<string[]> {
  const text: Buffer[] = [];
  for await (const piece of pieces) text.push(piece);
  const paths = z.array(InnerPath).safeParse(JSON.parse(Buffer.concat(text).toString('utf8')));
  if (!paths.success) throw new TamperedFileError(file, 'is no list of files of a golden');
  return paths.data;
}

async function unpackDiff(pieces: AsyncIterable<Buffer>, directory: string): Promise<void> {
  mkdirSync(directory, { mode: 0o700 });
  await unpackTree(pieces, directory);
}

async function writePieces(pieces: AsyncIterable<Buffer>, file: string): Promise<void> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  await using handle = await open(file, 'wx', 0o400);
  for await (const piece of pieces) await handle.writeFile(piece);
}
