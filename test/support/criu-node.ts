import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createCriuEngine } from '#src/engine/criu/criu-engine.ts';
import { findCriu } from '#src/engine/criu/find-criu.ts';
import { createImageStore } from '#src/engine/criu/images/image-store.ts';
import type { Engine } from '#src/engine/engine.ts';
import type { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { createLocalSandboxes } from '#src/engine/sandbox/local/local-sandboxes.ts';
import { type Config, parseConfig } from '#src/platform/config.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { destroyAll } from './destroy-all.ts';
import { flipByte } from './flip-byte.ts';
import { makeTempDir } from './temp-dir.ts';
import { makeTestImage } from './test-image.ts';

/** A node of a test's own: data directory, bridge, firewall and cgroups under a tag of its own, and the test image. */
export interface CriuNode {
  readonly engine: Engine;
  readonly config: Config;
  /** `dir:` reference of the test image. */
  readonly image: string;
  /** As a restart of the worker, with other settings or the same; `fingerprint`: after an upgrade of the machine. */
  reopen(changes?: Readonly<Record<string, string>>, fingerprint?: Partial<NodeFingerprint>): Promise<void>;
  /** Flips one byte of the golden's largest file and answers its name. */
  corruptGolden(golden: GoldenId): Promise<string>;
  /** Destroys what is left and gives everything back. */
  close(): Promise<void>;
}

export async function openCriuNode(over: Readonly<Record<string, string>> = {}): Promise<CriuNode> {
  const temporary = await makeTempDir();
  const directory = temporary.path;
  const root = join(directory, 'image');
  await mkdir(root);
  await makeTestImage(root);
  const settings = {
    THAW_DATA_DIR: join(directory, 'data'),
    THAW_IMAGE_ROOTS: directory,
    THAW_MEMORY_RESERVE_MB: '256',
    THAW_DISK_RESERVE_MB: '256',
    ...over,
  };
  const config = parseConfig(settings);
  let engine = await openEngine(config);
  return {
    get engine() {
      return engine;
    },
    config,
    image: `dir:${root}`,
    async reopen(changes = {}, fingerprint = {}) {
      await engine.close();
      engine = await openEngine(parseConfig({ ...settings, ...changes }), fingerprint);
    },
    corruptGolden: (golden) => flipByte(join(config.paths.goldens, golden.replace('@', '/'), 'image')),
    async close() {
      await destroyAll(engine);
      await engine.teardown();
      await temporary[Symbol.asyncDispose]();
    },
  };
}

async function openEngine(config: Config, fingerprint: Partial<NodeFingerprint> = {}): Promise<Engine> {
  const { paths, tag, memoryReserveBytes, diskReserveBytes, goldenKeys } = config;
  return await createCriuEngine({
    paths,
    tag,
    memoryReserveBytes,
    diskReserveBytes,
    goldenKeys,
    fingerprint,
    criu: findCriu() ?? 'criu',
    images: createImageStore({ ...config, directory: paths.images }),
    imageAccess: config,
    sandboxes: createLocalSandboxes({ tag, dataDir: paths.dataDir, runDir: paths.run, hostPorts: config.hostPorts }),
  });
}
