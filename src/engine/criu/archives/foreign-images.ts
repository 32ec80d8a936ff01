import { createReadStream, createWriteStream, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip, gzipSync } from 'node:zlib';
import { type ArchiveLayout, archiveNames } from './archive.ts';
import { archiveInvalid, archiveUnsupported } from './archive-problems.ts';
import { type CriuImage, readCriuImage, writeCriuImage } from './criu-image.ts';
import { readMount, writeMount } from './criu-mounts.ts';
import { adaptMounts } from './foreign-mounts.ts';
import { limitThread, requireOwnNamespaces } from './foreign-processes.ts';
import { bytesField, findField, readFields, replaceFields, varintField } from './protobuf.ts';
import { packTar } from './small-tar.ts';

/** Numbers in CRIU's inventory.proto and netdev.proto. */
const inventory = { rootIds: 3, lockMethod: 11 };
const lockBySkip = 2;
const netnsKey = 8;
/** IMG_COMMON and NETNS in CRIU's magic.h. */
const netnsMagic = Buffer.from('1943565452379355', 'hex');
/** As runc calls the network namespace that a container was started in, and we. */
const netnsName = 'extRootNetNS';

/**
 * Changes the images of another engine, in place, into what our restore takes: mounts of ours, our network namespace, no more rights than our
 * instances have. Answers what a clone needs a source of its own for. Throws archive_invalid naming the file, and archive_unsupported.
 */
export async function adaptImages(archive: ArchiveLayout, ownMounts: readonly string[]): Promise<{ externalMounts: string[] }> {
  const names = readdirSync(archive.image);
  const edit = (name: string, change: (image: CriuImage) => CriuImage) => {
    const file = join(archive.image, name);
    writeFileSync(file, writeCriuImage(change(parseImage(archive, name))));
  };
  const [own] = parseImage(archive, 'inventory.img').entries;
  const host = readFields(findField(own ?? [], inventory.rootIds)?.bytes ?? Buffer.alloc(0));
  const networks = new Set(
    matching(names, /^ids-\d+\.img$/).flatMap((name) => parseImage(archive, name).entries.map((ids) => requireOwnNamespaces(ids, host))),
  );
  const [network, ...others] = networks;
  if (network === undefined || others.length > 0) {
    throw archiveUnsupported(`the container's processes have ${networks.size} network namespaces`, 'Run the app in one.');
  }
  // Forking iptables to unlock what was never locked here would take 60 ms of each restore.
  edit('inventory.img', (image) =>
    mapEntries(image, (entry) => replaceFields(entry, [inventory.lockMethod], [varintField(inventory.lockMethod, lockBySkip)])),
  );
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
  const image = parseImage(archive, mountsName);
  const adapted = withName(mountsName, () => adaptMounts(image.entries.map(readMount), ownMounts));
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

function parseImage(archive: ArchiveLayout, name: string): CriuImage {
  const file = join(archive.image, name);
  if (!existsSync(file)) throw archiveInvalid(join(archiveNames.checkpoint, name), 'is missing');
  return withName(name, () => readCriuImage(readFileSync(file)));
}

/** A RangeError of the readers says what is wrong, not where. */
function withName<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw archiveInvalid(join(archiveNames.checkpoint, name), `is no image of CRIU's: ${error.message}`, error);
  }
}

function mapEntries(image: CriuImage, change: (entry: CriuImage['entries'][number]) => CriuImage['entries'][number]): CriuImage {
  return { ...image, entries: image.entries.map(change) };
}

function matching(names: readonly string[], pattern: RegExp): string[] {
  return names.filter((name) => pattern.test(name));
}
