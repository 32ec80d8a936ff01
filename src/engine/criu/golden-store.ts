import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { GoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import type { DataPaths } from '#src/platform/config.ts';
import { ThawError } from '#src/platform/errors.ts';
import { GoldenId } from '#src/platform/ids.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { run } from '#src/platform/subprocess.ts';
import { destroyDataKey, readHeader } from './encryption/data-key.ts';
import { PlainCopies } from './encryption/plain-copies.ts';
import { GoldenDrafts } from './golden-drafts.ts';
import { GoldenLinks, type HashedGolden } from './golden-links.ts';
import { readRecord } from './golden-record.ts';
import { fingerprintTree, type Seal, verifySeal } from './golden-seal.ts';
import { notSigned, requireTrusted } from './golden-signature.ts';
import { type GoldenLayout, goldenDirectory, goldenLayout } from './instance-layout.ts';
import type { MemoryHolds } from './memory-holds.ts';
import { type OpenGolden, openGolden } from './open-golden.ts';
import { isRunOn, listReplaced, setAside } from './replaced-goldens.ts';
import type { SealedDraft } from './seal-draft.ts';

const syncTimeoutMs = 300_000;

export interface GoldenStoreDeps {
  readonly paths: DataPaths;
  readonly memory: MemoryHolds;
  readonly keys: GoldenKeys;
}

interface Proven extends HashedGolden {
  readonly seal: Seal;
  /** Once it was opened. */
  open?: OpenGolden;
}

/** The goldens of this node. A golden is used only after its files were compared with its manifest, and that with its signature. */
export class GoldenStore {
  readonly #paths: DataPaths;
  readonly #keys: GoldenKeys;
  readonly #plain: PlainCopies;
  readonly #drafts: GoldenDrafts;
  /** Goldens whose files were hashed by this process. */
  readonly #proven = new Map<GoldenId, Proven>();
  readonly #verifying = new Map<GoldenId, Promise<Proven>>();
  readonly #links = new GoldenLinks(this.#proven);

  constructor({ paths, memory, keys }: GoldenStoreDeps) {
    this.#paths = paths;
    this.#keys = keys;
    this.#plain = new PlainCopies({ paths, memory });
    this.#drafts = new GoldenDrafts({ paths, keys, plain: this.#plain });
  }

  /** Whether a golden that is made now is dumped into memory, to be encrypted from there. */
  get isEncrypting(): boolean {
    return this.#keys.wrapping !== undefined;
  }

  has(golden: GoldenId): boolean {
    return existsSync(this.#layout(golden).manifest);
  }

  list(): GoldenId[] {
    return readNames(this.#paths.goldens).flatMap((template) =>
      readNames(join(this.#paths.goldens, template)).flatMap((number) => {
        const id = GoldenId.safeParse(`${template}@${number}`);
        return id.success && this.has(id.data) ? [id.data] : [];
      }),
    );
  }

  /**
   * The golden, proven intact: hashed whole on first use, and again whenever a file's inode, size or ctime has changed. An encrypted one is
   * decrypted into a tmpfs, where its clones share it until it has long been unused. Throws what `verify` throws, encryption_key_missing,
   * encryption_key_wrong and memory_reserve.
   */
  async open(golden: GoldenId): Promise<OpenGolden> {
    const proven = this.#known(golden) ?? (await this.#links.afterwards(() => this.#known(golden))) ?? (await this.#prove(golden));
    const { open, seal } = proven;
    if (open && (open.encryptedWith === undefined || this.#plain.find(golden, seal.digest))) return open;
    proven.open = await openGolden(this.#keys, this.#plain, golden, this.#layout(golden), seal);
    return proven.open;
  }

  /** Hashes every file. Throws golden_missing, golden_corrupt or golden_untrusted. Needs no encryption key. */
  async verify(golden: GoldenId): Promise<void> {
    await this.#prove(golden);
  }

  /** Where a golden's files are put to be finished; see GoldenDrafts. Throws encryption_key_missing. */
  begin(golden: GoldenId, imageDigest: string, signal: AbortSignal): Promise<GoldenLayout> {
    return this.#drafts.begin(golden, imageDigest, signal);
  }

  /** Seals a draft and gives it its final name. It was hashed on the way: its first use need not do it again. */
  async finish(golden: GoldenId, draft: GoldenLayout, imageDigest: string, signal: AbortSignal): Promise<SealedDraft> {
    const sealed = await this.#drafts.seal(golden, draft, imageDigest, signal);
    await Promise.all([this.adopt(golden, draft, sealed.seal), this.#drafts.drop(golden)]);
    return sealed;
  }

  /** What `begin` began and will not be finished. */
  async abandon(golden: GoldenId): Promise<void> {
    await this.#drafts.abandon(golden);
  }

  /** Gives a sealed directory its final name, as it is. `seal`: of what was hashed a moment ago. */
  async adopt(golden: GoldenId, sealed: GoldenLayout, seal: Seal): Promise<void> {
    const final = this.#layout(golden);
    const others = this.list().filter((id) => id !== golden);
    await this.#links.share(golden, sealed, new Map(others.map((id) => [id, this.#layout(id)])));
    await syncFileSystem(sealed.directory); // a rename may reach the disk before the files
    mkdirSync(dirname(final.directory), { recursive: true, mode: 0o700 });
    await this.#verifying.get(golden)?.catch(() => {}); // one who hashes the files of before would find those of two goldens
    if (this.has(golden)) setAside(final);
    else await removeTree(final.directory);
    renameSync(sealed.directory, final.directory);
    this.#proven.set(golden, { tree: fingerprintTree(final), layout: final, seal });
  }

  /** Of files from elsewhere, whole and plain. Throws golden_corrupt, and golden_untrusted where this node wants another signature. */
  async requireSealed(golden: GoldenId, layout: GoldenLayout): Promise<Seal> {
    const seal = await verifySeal(layout, golden);
    if (this.#keys.trusted) requireTrusted(this.#keys.trusted, layout.directory, seal.digest, golden);
    return seal;
  }

  /** Of files from elsewhere that nobody sealed. Throws golden_untrusted where this node wants signatures: to sign them would be to vouch for them. */
  requireUnsignedAllowed(golden: GoldenId): void {
    if (this.#keys.trusted) throw notSigned(golden);
  }

  /** Of the image below the golden. Needs no key. Undefined when its files do not tell: then no clone can be made of it either. */
  imageDigest(golden: GoldenId): string | undefined {
    const layout = this.#layout(golden);
    try {
      return readHeader(layout.directory)?.imageDigest ?? readRecord(layout, golden).imageDigest;
    } catch {
      return undefined;
    }
  }

  /** Of an encrypted golden the key goes first: whatever happens then, nobody reads it any more. */
  async remove(golden: GoldenId): Promise<void> {
    this.#proven.delete(golden);
    const { directory } = this.#layout(golden);
    destroyDataKey(directory);
    await this.abandon(golden);
    await this.#plain.drop(golden);
    await this.#links.remove([directory]);
  }

  /** Removes files that gave way to others, once nothing runs on them. */
  async dropReplaced(): Promise<void> {
    const unused = listReplaced(this.#paths).filter((replaced) => !isRunOn(this.#paths, replaced));
    const directories = unused.map(({ directory }) => directory);
    directories.forEach(destroyDataKey);
    await this.#links.remove(directories);
  }

  /** Gives back the memory of encrypted goldens that nothing runs on. */
  async dropIdle(idleMs: number): Promise<void> {
    await this.#plain.dropIdle(idleMs);
  }

  #layout(golden: GoldenId): GoldenLayout {
    return goldenLayout(goldenDirectory(this.#paths, golden));
  }

  /** What was proven of a golden, as long as its files lie there as they did then. */
  #known(golden: GoldenId): Proven | undefined {
    const known = this.#proven.get(golden);
    return known && this.has(golden) && fingerprintTree(this.#layout(golden)) === known.tree ? known : undefined;
  }

  /** Callers at the same time share one pass. */
  #prove(golden: GoldenId): Promise<Proven> {
    const running = this.#verifying.get(golden) ?? this.#hash(golden).finally(() => this.#verifying.delete(golden));
    this.#verifying.set(golden, running);
    return running;
  }

  async #hash(golden: GoldenId): Promise<Proven> {
    this.#proven.delete(golden);
    const layout = this.#layout(golden);
    if (!this.has(golden)) {
      throw new ThawError('golden_missing', `golden ${golden} is not on this node (${layout.directory})`, {
        fix: 'Take a new golden of the template.',
      });
    }
    const tree = fingerprintTree(layout); // before hashing: a change meanwhile shows at the next use
    const proven: Proven = { tree, layout, seal: await this.requireSealed(golden, layout) };
    this.#proven.set(golden, proven);
    return proven;
  }
}

async function syncFileSystem(directory: string): Promise<void> {
  await run(['sync', '--file-system', directory], { timeoutMs: syncTimeoutMs });
}

function readNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
