import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { CriuDeps } from '#src/engine/criu/engine-deps.ts';
import type { GoldenRecord } from '#src/engine/criu/golden-record.ts';
import type { GoldenLayout } from '#src/engine/criu/instance-layout.ts';
import { readFingerprint } from '#src/engine/criu/probe-node.ts';
import { ThawError } from '#src/platform/errors.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import type { ArchiveContents, ArchiveLayout } from './archive.ts';
import { archiveUnsupported } from './archive-problems.ts';
import { makeDiff } from './foreign-diff.ts';
import { adaptImages } from './foreign-images.ts';
import type { WantedGolden } from './install-archive.ts';
import { moveImages } from './install-own.ts';
import { makeRuncFiles } from './make-runc-files.ts';
import { readDump } from './read-engine.ts';

const Spec = z.looseObject({
  process: z.looseObject({
    terminal: z.boolean().optional(),
    user: z.looseObject({ uid: z.number().optional(), gid: z.number().optional() }).optional(),
  }),
});
const Config = z.looseObject({
  checkpointedTime: z.string().nullish(),
  namedVolumes: z.array(z.looseObject({ dest: z.string() })).nullish(),
});
const Descriptors = z.array(z.string());

/**
 * Makes a golden of what podman, CRI-O or containerd exported. What their archives lack is made up for: runc's files by a container of the
 * template's workload, /run/thaw and the like by mounts written into the dump, the image by the template's. Not in the archive, and therefore
 * not in clones: what the host bound into the container, its network addresses, and of CRI-O and containerd the content of /dev/shm.
 */
export async function installForeign(
  deps: CriuDeps,
  contents: ArchiveContents,
  wanted: WantedGolden,
  target: GoldenLayout,
  signal: AbortSignal,
): Promise<void> {
  const archive = contents.layout;
  const spec = readDump(archive.spec, Spec);
  const config = readDump(archive.config, Config);
  requirePlain(spec, config);
  const descriptors = readDescriptors(archive);
  const image = deps.images.find(wanted.imageDigest);
  if (!image) throw new ThawError('golden_missing', `the image ${wanted.imageDigest} of the template is not on this node`);
  signal.throwIfAborted();
  const runc = await makeRuncFiles(deps, wanted.workload, image);
  const { externalMounts } = await adaptImages(archive, runc.ownMounts);
  await makeDiff(contents, image.rootfs, target.diff, runc.ownMounts, signal);
  moveImages(archive.image, target.image);
  const record: GoldenRecord = {
    golden: wanted.golden,
    workload: wanted.workload,
    imageDigest: wanted.imageDigest,
    uid: spec.process.user?.uid ?? 0,
    gid: spec.process.user?.gid ?? 0,
    descriptors,
    externalMounts,
    pagesBytes: pagesBytes(target.image),
    checkpointedAtMs: checkpointedAtMs(config, archive.config),
    cpuMs: 0,
    connections: [],
    fingerprint: await readFingerprint(deps),
    timingsMs: {},
  };
  writeFileSync(target.record, JSON.stringify(record), { mode: 0o400 });
  writeFileSync(target.config, runc.config, { mode: 0o400 });
  writeFileSync(target.runcState, runc.runcState, { mode: 0o400 });
  await removeTree(archive.directory);
}

function requirePlain(spec: z.infer<typeof Spec>, config: z.infer<typeof Config>): void {
  if (spec.process.terminal === true) {
    throw archiveUnsupported(
      'the container has a terminal, which a clone can not have',
      'Run it without --tty and take the checkpoint again.',
    );
  }
  const [volume] = config.namedVolumes ?? [];
  if (volume) {
    throw archiveUnsupported(
      `the container has a volume at ${volume.dest}, and clones have none`,
      'Run it without volumes, or with the files in its image.',
    );
  }
}

/** Written by runc; crun, too, and CRIU takes the names of pipes from it. */
function readDescriptors(archive: ArchiveLayout): string[] {
  return readDump(join(archive.image, 'descriptors.json'), Descriptors);
}

function pagesBytes(images: string): number {
  return readdirSync(images)
    .filter((name) => name.startsWith('pages-'))
    .reduce((sum, name) => sum + statSync(join(images, name)).size, 0);
}

/** Where the engine does not say (podman 4), or says the year 1, which is Go's word for never: when it wrote its file. */
function checkpointedAtMs({ checkpointedTime }: z.infer<typeof Config>, configFile: string): number {
  const time = Date.parse(checkpointedTime ?? '');
  return time > 0 ? time : Math.round(statSync(configFile).mtimeMs);
}
