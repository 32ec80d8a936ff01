import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Changes one bit of the memory pages in a golden's image directory. Answers the name of the file. */
export async function flipByte(directory: string): Promise<string> {
  const name = (await readdir(directory)).find((entry) => entry.startsWith('pages-')) ?? 'missing';
  await using file = await open(join(directory, name), 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, 4096);
  await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, 4096);
  return name;
}
