import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type CriuImage, writeCriuImage } from '#src/engine/criu/archives/criu-image.ts';
import { bytesField, type Field, varintField } from '#src/engine/criu/archives/protobuf.ts';
import { sealGolden } from '#src/engine/criu/golden-seal.ts';
import { type GoldenLayout, goldenLayout } from '#src/engine/criu/instance-layout.ts';
import type { OpenGolden } from '#src/engine/criu/open-golden.ts';
import { goldenId } from '#src/platform/ids.ts';
import { testWorkload } from './test-image.ts';

export const smallGoldenId = goldenId('small', 1);
const imageDigest = `sha256:${'1'.repeat(64)}`;

/** What CRIU says of a dump in general, with tcp-close as our dumps have it. */
const inventory: CriuImage = {
  magic: Buffer.from('16313158', 'hex'),
  entries: [[varintField(1, 2), varintField(2, 1), bytesField(3, Buffer.alloc(0)), varintField(10, 1), varintField(11, 2)]],
};

const rootfs = '{data}/instances/{instance}/rootfs';
const cgroup = '/{group}/{instance}';

/** runc's files of a primer, in what is looked at. */
export const runcConfig = {
  root: { path: rootfs },
  annotations: { 'org.criu.config': '{data}/run/criu.conf' },
  process: { args: ['/bin/app'], noNewPrivileges: true, capabilities: { bounding: ['CAP_CHOWN'] } },
  mounts: [],
  linux: { cgroupsPath: cgroup, namespaces: [{ type: 'pid' }], seccomp: { defaultAction: 'SCMP_ACT_ERRNO' } },
};
export const runcState = {
  config: {
    rootfs,
    labels: ['bundle={data}/instances/{instance}'],
    cgroups: { path: cgroup },
    capabilities: { Bounding: ['CAP_CHOWN'] },
    no_new_privileges: true,
    seccomp: { default_action: 2 },
    Hooks: { poststop: null },
  },
};

/** What is looked at before an image is trusted: one process in namespaces of its own, the network that a clone is given, no open file. */
export const harmlessImages: Readonly<Record<string, readonly Field[][]>> = {
  'ids-1.img': [[5, 6, 7, 8, 9].map((number) => varintField(number, 20 + number))],
  'netns-26.img': [[bytesField(8, 'extRootNetNS')]],
  'files.img': [],
};

/** An image file of CRIU's with these entries. */
export function imageOf(...entries: readonly (readonly Field[])[]): Buffer {
  return writeCriuImage({ magic: Buffer.from('1943565446435545', 'hex'), entries });
}

/** The files of a golden that no process was ever dumped into, sealed; `fillDiff` makes what the app changed. */
export async function makeSmallGolden(directory: string, fillDiff: (diff: string) => Promise<void>): Promise<OpenGolden> {
  const layout = goldenLayout(directory);
  await mkdir(layout.image, { recursive: true, mode: 0o700 });
  await mkdir(layout.diff, { mode: 0o755 });
  await fillDiff(layout.diff);
  const write = (file: string, content: string | Buffer) => writeFileSync(file, content, { mode: 0o400 });
  write(join(layout.image, 'inventory.img'), writeCriuImage(inventory));
  for (const [name, entries] of Object.entries(harmlessImages)) write(join(layout.image, name), imageOf(...entries));
  write(join(layout.image, 'pages-1.img'), Buffer.alloc(3 * 1024 * 1024, 'page'));
  const record = recordOf();
  write(layout.record, JSON.stringify(record));
  write(layout.config, JSON.stringify(runcConfig));
  write(layout.runcState, JSON.stringify(runcState));
  const seal = await sealGolden(layout, smallGoldenId);
  return {
    layout,
    record,
    seal,
    files: { config: readFileSync(layout.config, 'utf8'), runcState: readFileSync(layout.runcState, 'utf8') },
  };
}

/** An image store whose only image has this root filesystem. */
export function imagesOf(rootfs: string) {
  const config = { env: {}, entrypoint: [], cmd: [], workdir: '/', user: '' };
  return { find: () => ({ digest: imageDigest, rootfs, config }) };
}

/** An empty directory for a golden, as an import has it. */
export async function emptyGolden(directory: string): Promise<GoldenLayout> {
  const layout = goldenLayout(directory);
  await mkdir(layout.image, { recursive: true, mode: 0o700 });
  return layout;
}

function recordOf(): OpenGolden['record'] {
  return {
    golden: smallGoldenId,
    workload: testWorkload('docker://registry.test/app:1'),
    imageDigest,
    uid: 0,
    gid: 0,
    descriptors: ['/dev/null', 'pipe:[1]', 'pipe:[2]'],
    externalMounts: [],
    pagesBytes: 3 * 1024 * 1024,
    checkpointedAtMs: Date.UTC(2026, 0, 1),
    cpuMs: 5,
    connections: [],
    fingerprint: { arch: process.arch, kernel: '6.1', engine: 'criu' },
    timingsMs: { dump: 100 },
  };
}
