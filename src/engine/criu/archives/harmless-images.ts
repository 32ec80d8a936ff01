import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { archiveNames } from './archive.ts';
import { archiveInvalid } from './archive-problems.ts';
import { checkLayer, type LayerBudget, tmpfsKinds } from './check-layer.ts';
import type { CriuImage } from './criu-image.ts';
import { readMount } from './criu-mounts.ts';
import { decompress } from './decompress.ts';
import { exceedsRights } from './foreign-processes.ts';
import { requireHarmlessFiles } from './harmless-files.ts';
import { requireHarmlessMounts } from './harmless-mounts.ts';
import { requireGivenNetwork } from './harmless-namespaces.ts';
import { readImage, within } from './read-image.ts';

/** CRIU unpacks what is packed in there by tar, as root. */
const tmpfsImage = /^tmpfs-[a-z0-9-]+\.tar\.gz\.img$/;

/** What lies in the tmpfs of an image, compared with what may: no device but those that every container has in /dev. Throws archive_invalid. */
export async function checkTmpfsImages(directory: string, expansionRatio: number, budget: LayerBudget, signal: AbortSignal): Promise<void> {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory).filter((file) => tmpfsImage.test(file))) {
    if (statSync(join(directory, name)).size === 0) continue; // stands for a file that is not there (ownNames.image)
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
    const check = (look: (entries: CriuImage['entries']) => void) => within(name, () => look(readImage(directory, name).entries));
    if (/^core-\d+\.img$/.test(name)) check((threads) => requireNoMoreRights(name, threads));
    if (/^mountpoints-\d+\.img$/.test(name)) check((mounts) => requireHarmlessMounts(mounts.map(readMount), ownMounts));
  }
  within('inventory.img', () => requireGivenNetwork(directory));
  requireHarmlessFiles(directory);
}

function requireNoMoreRights(name: string, threads: CriuImage['entries']): void {
  if (threads.some(exceedsRights)) throw archiveInvalid(name, 'gives a process more rights than clones have');
}
