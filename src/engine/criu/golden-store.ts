import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { NodeFingerprint } from '#src/engine/node-fingerprint.ts';
import { Workload } from '#src/engine/workload.ts';
import type { DataPaths } from '#src/platform/config.ts';
import { ThawError } from '#src/platform/errors.ts';
import { GoldenId } from '#src/platform/ids.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { fingerprintTree, readSeal, type Seal, verifySeal } from './golden-seal.ts';
import { type GoldenLayout, goldenDirectory, goldenLayout } from './instance-layout.ts';

/** What a restore needs to know of a golden, beside its images. */
export const GoldenRecord = z.object({
  golden: GoldenId,
  workload: Workload,
  imageDigest: z.string(),
  uid: z.number(),
  gid: z.number(),
  /** What stdin, stdout and stderr were: `pipe:[inode]` ones are replaced by those of the clone's conmon. */
  descriptors: z.array(z.string()),
  externalMounts: z.array(z.string()),
  pagesBytes: z.number(),
  /** When the primer was stopped: a clone's clocks go on from there. */
  checkpointedAtMs: z.number(),
  cpuMs: z.number(),
  fingerprint: NodeFingerprint,
  timingsMs: z.record(z.string(), z.number()),
});
export type GoldenRecord = z.infer<typeof GoldenRecord>;

export interface OpenGolden {
  readonly layout: GoldenLayout;
  readonly record: GoldenRecord;
  readonly seal: Seal;
  /** runc's files of the primer, its names taken out (runc-state.ts). */
  readonly files: { readonly config: string; readonly runcState: string };
}

/** The goldens of this node. A golden is used only after its files were compared with its manifest. */
export class GoldenStore {
  readonly #paths: DataPaths;
  /** Goldens whose files were hashed by this process, with the tree as it was then. */
  readonly #verified = new Map<GoldenId, { tree: string; open: OpenGolden }>();
  readonly #verifying = new Map<GoldenId, Promise<OpenGolden>>();

  constructor(paths: DataPaths) {
    this.#paths = paths;
  }

  has(golden: GoldenId): boolean {
    return existsSync(goldenLayout(goldenDirectory(this.#paths, golden)).manifest);
  }

  list(): GoldenId[] {
    return readNames(this.#paths.goldens).flatMap((template) =>
      readNames(join(this.#paths.goldens, template)).flatMap((number) => {
        const id = GoldenId.safeParse(`${template}@${number}`);
        return id.success && this.has(id.data) ? [id.data] : [];
      }),
    );
  }

  /** The golden, proven intact: hashed whole on first use, and again whenever a file's inode, size or ctime has changed. */
  async open(golden: GoldenId): Promise<OpenGolden> {
    const known = this.#verified.get(golden);
    if (known && this.has(golden) && fingerprintTree(known.open.layout) === known.tree) return known.open;
    return await this.verify(golden);
  }

  /** Hashes every file. Throws golden_missing or golden_corrupt. Callers at the same time share one pass. */
  verify(golden: GoldenId): Promise<OpenGolden> {
    const running = this.#verifying.get(golden) ?? this.#verify(golden).finally(() => this.#verifying.delete(golden));
    this.#verifying.set(golden, running);
    return running;
  }

  /** Gives a directory its final name. It was hashed for the seal a moment ago, so its first use need not hash it again. */
  async adopt(golden: GoldenId, sealed: GoldenLayout): Promise<void> {
    const directory = goldenDirectory(this.#paths, golden);
    await removeTree(directory);
    renameSync(sealed.directory, directory);
    const open = this.peek(golden);
    if (open) this.#verified.set(golden, { tree: fingerprintTree(open.layout), open });
  }

  /** A fresh directory beside the final one; one that a crash left is removed. */
  async begin(golden: GoldenId): Promise<GoldenLayout> {
    const layout = goldenLayout(`${goldenDirectory(this.#paths, golden)}.partial`);
    await removeTree(layout.directory);
    mkdirSync(layout.image, { recursive: true, mode: 0o700 });
    return layout;
  }

  /** What the golden's own record and manifest say, unproven. Undefined when it is not there. */
  peek(golden: GoldenId): OpenGolden | undefined {
    if (!this.has(golden)) return undefined;
    const layout = goldenLayout(goldenDirectory(this.#paths, golden));
    return {
      layout,
      record: GoldenRecord.parse(JSON.parse(readFileSync(layout.record, 'utf8'))),
      seal: readSeal(layout),
      files: { config: readFileSync(layout.config, 'utf8'), runcState: readFileSync(layout.runcState, 'utf8') },
    };
  }

  async remove(golden: GoldenId): Promise<void> {
    this.#verified.delete(golden);
    const directory = goldenDirectory(this.#paths, golden);
    await removeTree(`${directory}.partial`);
    await removeTree(directory);
  }

  async #verify(golden: GoldenId): Promise<OpenGolden> {
    this.#verified.delete(golden);
    const layout = goldenLayout(goldenDirectory(this.#paths, golden));
    if (!this.has(golden)) {
      throw new ThawError('golden_missing', `golden ${golden} is not on this node (${layout.directory})`, {
        fix: 'Take a new golden of the template.',
      });
    }
    const tree = fingerprintTree(layout); // before hashing: a change meanwhile shows at the next use
    await verifySeal(layout, golden);
    const open = this.peek(golden);
    if (!open)
      throw new ThawError('golden_missing', `golden ${golden} went away while it was verified`, {
        fix: 'Take a new golden of the template.',
      });
    this.#verified.set(golden, { tree, open });
    return open;
  }
}

function readNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
