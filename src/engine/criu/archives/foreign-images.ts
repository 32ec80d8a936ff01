import { createReadStream, createWriteStream, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import type { ArchiveLayout } from './archive.ts';
import { archiveUnsupported } from './archive-problems.ts';
import { type CriuImage, writeCriuImage } from './criu-image.ts';
import { readMount, writeMount } from './criu-mounts.ts';
import { adaptMounts } from './foreign-mounts.ts';
import { limitThread } from './foreign-processes.ts';
import { requireHarmlessFiles } from './harmless-files.ts';
import { findNetwork, netnsKey, netnsName } from './harmless-namespaces.ts';
import { bytesField, replaceFields, varintField } from './protobuf.ts';
import { readImage, within } from './read-image.ts';
import { packTar } from './small-tar.ts';

/** Number in CRIU's inventory.proto. */
const lockMethod = 11;
const lockBySkip = 2;
/** IMG_COMMON and NETNS in CRIU's magic.h. */
const netnsMagic = Buffer.from('1943565452379355', 'hex');

/**
 * Changes the images of another engine, in place, into what our restore takes: mounts of ours, our network namespace, no more rights than our
 * instances have. Answers what a clone needs a source of its own for. Throws archive_invalid naming the file, and archive_unsupported.
 */
export async function adaptImages(archive: ArchiveLayout, ownMounts: readonly string[]): Promise<{ externalMounts: string[] }> {
  const names = readdirSync(archive.image);
  const edit = (name: string, change: (image: CriuImage) => CriuImage) => {
    const file = join(archive.image, name);
    writeFileSync(
      file,
      within(name, () => writeCriuImage(change(readImage(archive.image, name)))),
    );
  };
  const network = within('inventory.img', () => findNetwork(archive.image));
  requireHarmlessFiles(archive.image);
  // Forking iptables to unlock what was never locked here would take 60 ms of each restore.
  edit('inventory.img', (image) => mapEntries(image, (entry) => replaceFields(entry, [lockMethod], [varintField(lockMethod, lockBySkip)])));
  // What was set up in it is not restored: a clone's is made by us. podman's --network none leaves no such file at all.
  writeFileSync(
    join(archive.image, `netns-${network}.img`),
    writeCriuImage({ magic: netnsMagic, entries: [[bytesField(netnsKey, netnsName)]] }),
  );
  for (const name of matching(names, /^core-\d+\.img$/)) edit(name, (image) => mapEntries(image, limitThread));
  const [mountsName, ...more] = matching(names, /^mountpoints-\d+\.img$/);
  if (mountsName === undefined || more.length > 0) {
    throw archiveUnsupported(`the container's processes have ${more.length + 1} mount namespaces`, 'Run the app in one.');
  }
  const image = readImage(archive.image, mountsName);
  const adapted = within(mountsName, () => adaptMounts(image.entries.map(readMount), ownMounts));
  writeFileSync(join(archive.image, mountsName), writeCriuImage({ ...image, entries: adapted.mounts.map(writeMount) }));
  if (adapted.shmDevice !== undefined) await fillShm(archive, adapted.shmDevice);
  return { externalMounts: [...adapted.external] };
}

/** podman packs what lay in /dev/shm, as that was a directory of its host; a clone's is a tmpfs that CRIU fills. */
async function fillShm(archive: ArchiveLayout, device: number): Promise<void> {
  const target = join(archive.image, `tmpfs-dev-${device}.tar.gz.img`);
  if (existsSync(archive.devShm)) await pipeline(createReadStream(archive.devShm), createGzip({ level: 1 }), createWriteStream(target));
  else writeFileSync(target, gzipSync(await packTar([{ header: { name: './', type: 'directory', mode: 0o1777 } }])));
}

function mapEntries(image: CriuImage, change: (entry: CriuImage['entries'][number]) => CriuImage['entries'][number]): CriuImage {
  return { ...image, entries: image.entries.map(change) };
}

function matching(names: readonly string[], pattern: RegExp): string[] {
  return names.filter((name) => pattern.test(name));
}
