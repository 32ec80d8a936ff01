import { createReadStream, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { archiveNames } from './archive.ts';
import { archiveInvalid } from './archive-problems.ts';
import { checkLayer, type LayerBudget, tmpfsKinds } from './check-layer.ts';
import { readCriuImage } from './criu-image.ts';
import { readMount } from './criu-mounts.ts';
import { decompress } from './decompress.ts';
import { exceedsRights } from './foreign-processes.ts';
import { requireHarmlessMounts } from './harmless-mounts.ts';

/** CRIU unpacks what is packed in there by tar, as root. */
const tmpfsImage = /^tmpfs-[a-z0-9-]+\.tar\.gz\.img$/;

/** What lies in the tmpfs of an image, compared with what may: no device but those that every container has in /dev. Throws archive_invalid. */
export async function checkTmpfsImages(directory: string, expansionRatio: number, budget: LayerBudget, signal: AbortSignal): Promise<void> {
  for (const name of readdirSync(directory).filter((file) => tmpfsImage.test(file))) {
    const { stages } = await decompress(createReadStream(join(directory, name)), expansionRatio);
    await checkLayer(stages, join(archiveNames.checkpoint, name), tmpfsKinds, budget, signal);
  }
}

/**
 * Images of an archive that says it is ours: its clones must have no more rights, and see no more of the host, than those of our goldens.
 * Throws archive_invalid naming the file, and archive_unsupported.
 */
export function requireHarmlessImages(directory: string, ownMounts: readonly string[]): void {
  for (const name of readdirSync(directory)) {
    const read = () => readCriuImage(readFileSync(join(directory, name))).entries;
    try {
      if (/^core-\d+\.img$/.test(name) && read().some(exceedsRights))
        throw archiveInvalid(name, 'gives a process more rights than clones have');
      if (/^mountpoints-\d+\.img$/.test(name)) requireHarmlessMounts(read().map(readMount), ownMounts);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw archiveInvalid(join(archiveNames.checkpoint, name), `is no image of CRIU's: ${error.message}`, error);
    }
  }
}
