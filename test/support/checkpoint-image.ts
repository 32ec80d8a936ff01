import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { layoutTag } from '#src/engine/criu/move/checkpoint-names.ts';
import { type WrittenImage, writeCheckpointImage } from '#src/engine/criu/move/write-checkpoint-image.ts';
import { goldenId } from '#src/platform/ids.ts';

/** Stands for an archive: these tests are about the way there and back, not about what is moved. */
export const someArchive = randomBytes(3 * 1024 * 1024);

const someGolden = { golden: goldenId('api', 7), digest: `sha256:${'1'.repeat(64)}`, imageDigest: `sha256:${'2'.repeat(64)}` };

/** A checkpoint image in a new OCI layout of the directory, as an export writes it. */
export async function writeSomeImage(
  directory: string,
  name: string,
  { isPacked = true, tag = layoutTag }: { isPacked?: boolean; tag?: string } = {},
): Promise<WrittenImage & { readonly layout: string }> {
  const layout = join(directory, name);
  const write = async (sink: Writable) => void sink.end(someArchive);
  return { layout, ...(await writeCheckpointImage(layout, someGolden, { tag, isPacked }, write, new AbortController().signal)) };
}
