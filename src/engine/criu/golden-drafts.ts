import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { GoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import type { DataPaths } from '#src/platform/config.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { destroyDataKey } from './encryption/data-key.ts';
import { beginEncryption, type Encryption } from './encryption/golden-encryption.ts';
import type { PlainCopies } from './encryption/plain-copies.ts';
import { type GoldenLayout, goldenDirectory, goldenLayout } from './instance-layout.ts';
import { type SealedDraft, sealDraft } from './seal-draft.ts';

interface DraftDeps {
  readonly paths: DataPaths;
  readonly keys: GoldenKeys;
  readonly plain: PlainCopies;
}

/** Goldens being made: at most one of each. */
export class GoldenDrafts {
  readonly #deps: DraftDeps;
  readonly #encryptions = new Map<GoldenId, Encryption>();

  constructor(deps: DraftDeps) {
    this.#deps = deps;
  }

  /**
   * A fresh directory beside the final one; one that a crash left is removed. Where goldens are encrypted, all but `diff` is in a tmpfs, and
   * what comes there is encrypted while the rest is still to come. Throws encryption_key_missing.
   */
  async begin(golden: GoldenId, imageDigest: string, signal: AbortSignal): Promise<GoldenLayout> {
    await this.abandon(golden);
    const onDisk = goldenLayout(this.#directory(golden));
    mkdirSync(onDisk.directory, { recursive: true, mode: 0o700 });
    try {
      const { keys, plain } = this.#deps;
      const files = keys.wrapping ? goldenLayout(await plain.makeDraft(golden)) : onDisk;
      mkdirSync(files.image, { mode: 0o700 });
      const draft = { ...files, directory: onDisk.directory, manifest: onDisk.manifest, diff: onDisk.diff };
      await this.#encryptionOf(golden, draft, imageDigest, signal);
      return draft;
    } catch (error) {
      await this.abandon(golden);
      throw error;
    }
  }

  /** Encrypts, seals and signs what is in a draft, of `begin` or made elsewhere: its `directory` is then what is kept. */
  async seal(golden: GoldenId, draft: GoldenLayout, imageDigest: string, signal: AbortSignal): Promise<SealedDraft> {
    const encryption = await this.#encryptionOf(golden, draft, imageDigest, signal);
    try {
      return await sealDraft(this.#deps.keys, golden, draft, encryption);
    } catch (error) {
      await encryption?.cancel();
      throw error;
    } finally {
      this.#encryptions.delete(golden); // also when it failed: of a draft made elsewhere nobody abandons it, and the next one is another
    }
  }

  /** The plain files of one that was sealed. */
  async drop(golden: GoldenId): Promise<void> {
    await this.#deps.plain.dropDraft(golden);
  }

  /** What was begun and will not be sealed. Idempotent. */
  async abandon(golden: GoldenId): Promise<void> {
    const encryption = this.#encryptions.get(golden);
    this.#encryptions.delete(golden);
    await encryption?.cancel();
    destroyDataKey(this.#directory(golden));
    await this.#deps.plain.dropDraft(golden);
    await removeTree(this.#directory(golden));
  }

  #directory(golden: GoldenId): string {
    return `${goldenDirectory(this.#deps.paths, golden)}.partial`;
  }

  /** The one that `begin` began, or one that begins now. Undefined where goldens are not encrypted. */
  async #encryptionOf(golden: GoldenId, draft: GoldenLayout, imageDigest: string, signal: AbortSignal): Promise<Encryption | undefined> {
    const { wrapping } = this.#deps.keys;
    if (!wrapping || this.#encryptions.has(golden)) return this.#encryptions.get(golden);
    const what = { golden, imageDigest, plainDirectory: dirname(draft.record), directory: draft.directory };
    const encryption = await beginEncryption(wrapping, what, signal);
    this.#encryptions.set(golden, encryption);
    return encryption;
  }
}
