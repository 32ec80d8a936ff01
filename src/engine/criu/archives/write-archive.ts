import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Transform, type Writable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { signatureFile } from '#src/engine/criu/golden-signature.ts';
import type { ImageStore } from '#src/engine/criu/images/image-store.ts';
import type { OpenGolden } from '#src/engine/criu/open-golden.ts';
import { archiveNames, ownNames } from './archive.ts';
import { type DiffParts, listDeleted, readDiffParts } from './diff-parts.ts';
import { dumpStats } from './dump-stats.ts';
import { appAttributes, measureTar, openTar, type TarRequest } from './gnu-tar.ts';
import { podmanDump } from './podman-dump.ts';
import { portableImages } from './portable-images.ts';
import { type EntryHeader, readHeader, readTar } from './tar-header.ts';
import { overlayAttributes } from './unpack-layer.ts';

const fileMode = 0o600;
/** The same golden makes the same archive. */
const noTime = new Date(0);

/**
 * Writes a golden as an uncompressed tar into `sink`, which is ended. `podman container restore --import` restores it, `checkpointctl show` and
 * `inspect` read it, and `readArchive` gives the golden back to the bit. Nothing is written to a disk on the way. Rejects with the reason of
 * `signal` when aborted, and then `sink` is destroyed.
 */
export async function writeGoldenArchive(
  deps: { readonly images: Pick<ImageStore, 'find'> },
  golden: OpenGolden,
  sink: Writable,
  signal: AbortSignal,
): Promise<{ sizeBytes: number }> {
  const tar = pack();
  const counter = countBytes();
  const written = pipeline(tar, counter, sink, { signal });
  const packed = packGolden(deps, golden, tar, signal).catch((error: unknown) => {
    tar.destroy(error instanceof Error ? error : new Error(String(error)));
    throw error;
  });
  const [packing, writing] = await Promise.allSettled([packed, written]);
  signal.throwIfAborted();
  if (writing.status === 'rejected') throw writing.reason; // of the packing, too: it destroyed the stream with its reason
  if (packing.status === 'rejected') throw packing.reason;
  return { sizeBytes: counter.bytes() };
}

/** What is small and tells of the rest comes first, so that who reads only that need not read all. */
async function packGolden(
  { images }: { readonly images: Pick<ImageStore, 'find'> },
  golden: OpenGolden,
  tar: Pack,
  signal: AbortSignal,
): Promise<void> {
  const { layout, record } = golden;
  const { config, spec } = podmanDump(golden);
  const add = (name: string, content: string | Buffer) => packBuffer(tar, name, content);
  await add(archiveNames.config, JSON.stringify(config));
  await add(archiveNames.spec, JSON.stringify(spec));
  await add(archiveNames.network, '{}');
  await add(archiveNames.stats, dumpStats(record));
  for (const file of ownFiles(golden)) await add(join(archiveNames.own, basename(file)), readFileSync(file));
  const parts = readDiffParts(layout.diff);
  const overlay = await buffer(openTar(overlayRequest(layout.diff, parts)));
  await add(ownNames.overlay, overlay);
  await add(ownNames.sockets, JSON.stringify(parts.sockets));
  await packImages(layout.image, machineIdOf(golden), tar, signal);
  const imageRootfs = images.find(record.imageDigest)?.rootfs;
  const deleted = imageRootfs === undefined ? [] : listDeleted(parts, await findOpaque(overlay), layout.diff, imageRootfs);
  await add(archiveNames.deletedFiles, JSON.stringify(deleted));
  const diff = { directory: layout.diff, names: parts.plain, attributes: appAttributes };
  await packStream(tar, { name: archiveNames.rootfsDiff, size: await measureTar(diff), mode: fileMode }, openTar(diff), signal);
  tar.finalize();
}

/** Of an encrypted golden without manifest and signature: they are about the encrypted files. */
function ownFiles({ layout, encryptedWith }: OpenGolden): string[] {
  const files = [layout.record, layout.config, layout.runcState];
  if (encryptedWith !== undefined) return files;
  const signature = join(layout.directory, signatureFile);
  return [...files, layout.manifest, ...(existsSync(signature) ? [signature] : [])];
}

/** The images as other engines can restore them; beside them, among our own files, what was changed for that. */
async function packImages(directory: string, machineId: string, tar: Pack, signal: AbortSignal): Promise<void> {
  const portable = await portableImages(directory, machineId);
  for (const name of portable.keys()) {
    const original = statSync(join(directory, name), { throwIfNoEntry: false });
    // An empty one is taken for a file that the golden does not have.
    await packBuffer(tar, join(ownNames.image, name), original === undefined ? '' : readFileSync(join(directory, name)));
  }
  await packEntry(tar, { name: `${archiveNames.checkpoint}/`, type: 'directory', mode: 0o700 }, '');
  for (const name of [...new Set([...readdirSync(directory), ...portable.keys()])].sort()) {
    const header = { name: join(archiveNames.checkpoint, name), mode: fileMode };
    const changed = portable.get(name);
    if (changed !== undefined) await packBuffer(tar, header.name, changed);
    else {
      const file = join(directory, name);
      await packStream(tar, { ...header, size: statSync(file).size }, createReadStream(file, { highWaterMark: 1 << 20 }), signal);
    }
  }
}

/** Of containers made from the archive: 32 hex digits as of any machine, and not those of another archive. */
function machineIdOf({ seal }: OpenGolden): string {
  return seal.digest.slice(-32);
}

/** What only an overlay understands: opaque directories, as attributes, and whiteouts. */
function overlayRequest(directory: string, { directories, whiteouts }: DiffParts): TarRequest {
  return { directory, names: [...directories, ...whiteouts.map((path) => `./${path}`)], attributes: overlayAttributes };
}

async function findOpaque(overlay: Buffer): Promise<string[]> {
  const opaque: string[] = [];
  const reading = readTar();
  reading.end(overlay);
  for await (const entry of reading) {
    const { attributes, name } = readHeader(entry.header);
    if (overlayAttributes.some((attribute) => attributes.includes(attribute))) opaque.push(name.replace(/^\.\/|\/$/g, ''));
    entry.resume();
  }
  return opaque;
}

async function packBuffer(tar: Pack, name: string, content: string | Buffer): Promise<void> {
  await packEntry(tar, { name, mode: fileMode }, content);
}

async function packEntry(tar: Pack, header: EntryHeader, content: string | Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    tar.entry({ mtime: noTime, ...header }, Buffer.from(content), (error) => (error ? reject(error) : resolve()));
  });
}

async function packStream(tar: Pack, header: EntryHeader, source: NodeJS.ReadableStream, signal: AbortSignal): Promise<void> {
  await pipeline(source, tar.entry({ mtime: noTime, ...header }), { signal });
}

function countBytes(): Transform & { bytes(): number } {
  let bytes = 0;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  return Object.assign(counter, { bytes: () => bytes });
}
