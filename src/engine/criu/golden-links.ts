import { setImmediate } from 'node:timers/promises';
import type { GoldenId } from '#src/platform/ids.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { Semaphore } from '#src/platform/semaphore.ts';
import { fingerprintTree, readManifest } from './golden-seal.ts';
import type { GoldenLayout } from './instance-layout.ts';
import { type LinkedInodes, linkEqualFiles, type SealedFiles } from './link-equal-files.ts';
import { findLinkedInodes, hasSealedContent } from './linked-inodes.ts';

/** A golden that was hashed: its tree is the fingerprint of its files as they lay there then. */
export interface HashedGolden {
  tree: string;
  readonly layout: GoldenLayout;
}

/**
 * The files that goldens of a node share. A link that comes or goes changes the ctime of the inode, and so the trees of the goldens that have
 * it. Where that is all that has changed, and the inode's content is what it was, they stay proven and are not hashed whole at their next use.
 */
export class GoldenLinks {
  readonly #hashed: ReadonlyMap<GoldenId, HashedGolden>;
  readonly #turn = new Semaphore(1);

  /** `hashed`: kept by the caller, brought up to date here. */
  constructor(hashed: ReadonlyMap<GoldenId, HashedGolden>) {
    this.#hashed = hashed;
  }

  /** After what is under way has brought the trees up to date. */
  async afterwards<T>(look: () => T): Promise<T> {
    return await this.#turn.run(async () => look());
  }

  /** Lets a golden that has not got its final name yet share what it has in common with the others. */
  async share(golden: GoldenId, draft: GoldenLayout, others: ReadonlyMap<GoldenId, GoldenLayout>): Promise<void> {
    await this.#turn.run(async () => {
      const own = readFiles(golden, draft);
      const known: SealedFiles[] = [];
      for (const [id, layout] of others) {
        await setImmediate(); // manifests are large, and restores go on meanwhile
        const files = readFiles(id, layout);
        if (files) known.push(files);
      }
      if (own) await this.#follow(await linkEqualFiles(own, known));
    });
  }

  /** Removes directories; what others share with them stays theirs. */
  async remove(directories: readonly string[]): Promise<void> {
    await this.#turn.run(async () => {
      const inodes = new Map(directories.flatMap((each) => [...findLinkedInodes(each)]));
      for (const each of directories) await removeTree(each);
      await this.#follow(inodes);
    });
  }

  async #follow(inodes: LinkedInodes): Promise<void> {
    if (inodes.size === 0) return;
    const hashes = new Map<bigint, string>();
    for (const [golden, hashed] of this.#hashed) {
      await setImmediate();
      await bringUpToDate(golden, hashed, inodes, hashes).catch(() => {}); // replaced at this moment: its next use hashes it
    }
  }
}

/** `hashes`: of inodes, kept for the other goldens. */
async function bringUpToDate(golden: GoldenId, hashed: HashedGolden, inodes: LinkedInodes, hashes: Map<bigint, string>): Promise<void> {
  const { layout } = hashed;
  const tree = fingerprintTree(layout);
  if (tree === hashed.tree || fingerprintTree(layout, inodes) !== hashed.tree) return;
  const files = readFiles(golden, layout)?.files ?? [];
  const isIntact = await hasSealedContent(layout.directory, files, inodes, hashes);
  if (isIntact && fingerprintTree(layout) === tree) hashed.tree = tree;
}

/** Undefined: its manifest can not be read; such a golden shares nothing, and whoever uses it is told. */
function readFiles(golden: GoldenId, layout: GoldenLayout): SealedFiles | undefined {
  try {
    return { directory: layout.directory, files: readManifest(layout, golden).files };
  } catch {
    return undefined;
  }
}
