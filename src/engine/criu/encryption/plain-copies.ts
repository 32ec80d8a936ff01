import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MemoryHolds } from '#src/engine/criu/memory-holds.ts';
import { mountPrivateTmpfs } from '#src/engine/criu/tmpfs.ts';
import { systemClock } from '#src/platform/clock.ts';
import type { DataPaths } from '#src/platform/config.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { readMounts } from '#src/platform/mountinfo.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { KeyedMutex } from '#src/platform/semaphore.ts';

/** Which golden a copy is of: the digest of its manifest. Written when the copy is whole. */
const markFile = 'digest';
const draftSuffix = '.draft';
const partialSuffix = '.partial';

/**
 * The plain files of encrypted goldens, in a tmpfs of this node: one copy for each digest of a golden, which all its clones share. Found
 * again after a restart of the worker; gone with the boot.
 */
export class PlainCopies {
  readonly #root: string;
  readonly #memory: MemoryHolds;
  readonly #mutex = new KeyedMutex();
  /** Directories that this process is filling. */
  readonly #making = new Set<string>();
  readonly #usedAtMs = new Map<string, number>();
  readonly #openedAtMs = systemClock.nowMs();

  constructor({ paths, memory }: { readonly paths: DataPaths; readonly memory: MemoryHolds }) {
    this.#root = join(paths.run, 'plain');
    this.#memory = memory;
  }

  /** An empty directory to dump into, until `dropDraft` or `drop`. */
  async makeDraft(golden: GoldenId): Promise<string> {
    await this.#mount();
    return await this.#makeEmpty(golden + draftSuffix);
  }

  /** In the thread pool: to give back much memory takes its time. */
  async dropDraft(golden: GoldenId): Promise<void> {
    this.#making.delete(golden + draftSuffix);
    await rm(join(this.#root, golden + draftSuffix), { recursive: true, force: true });
  }

  /** The copy, if it is there and of the golden as it is now. It counts as used. */
  find(golden: GoldenId, digest: string): string | undefined {
    const name = nameOf(golden, digest);
    const directory = join(this.#root, name);
    const mark = join(directory, markFile);
    if (!existsSync(mark) || readFileSync(mark, 'utf8') !== digest) return undefined;
    this.#usedAtMs.set(name, systemClock.nowMs());
    return directory;
  }

  /**
   * The copy, made by `fill` when it is not there; whoever asks meanwhile waits for it. What `fill` began is removed when it fails.
   * Throws memory_reserve when it would take what the node keeps.
   */
  open(golden: GoldenId, digest: string, sizeBytes: number, fill: (directory: string) => Promise<void>): Promise<string> {
    return this.#mutex.run(golden, async () => {
      const there = this.find(golden, digest);
      if (there !== undefined) return there;
      await this.#mount();
      const name = nameOf(golden, digest);
      await this.#remove(name); // it has no mark, or not this
      const partial = await this.#makeEmpty(name + partialSuffix);
      const directory = join(this.#root, name);
      try {
        await this.#memory.hold(`the plain copy of golden ${golden}`, sizeBytes, () => fill(partial));
        writeFileSync(join(partial, markFile), digest, { mode: 0o400 });
        this.#usedAtMs.set(name, systemClock.nowMs());
        renameSync(partial, directory);
      } finally {
        await this.#remove(name + partialSuffix);
      }
      return directory;
    });
  }

  /** Whatever there is of the golden. */
  drop(golden: GoldenId): Promise<void> {
    return this.#mutex.run(golden, async () => {
      const isOurs = (name: string) => name === golden + draftSuffix || name.startsWith(nameOf(golden, ''));
      for (const name of readNames(this.#root).filter(isOurs)) await this.#remove(name);
    });
  }

  /**
   * Drops the copies that no instance runs on and that were used last more than `idleMs` ago, and what a process that was killed left
   * half-made. The next restore makes them again.
   */
  async dropIdle(idleMs: number): Promise<void> {
    const nowMs = systemClock.nowMs();
    const lowers = readMounts().flatMap(({ options }) => options.filter((option) => option.startsWith('lowerdir')));
    for (const name of readNames(this.#root)) {
      const directory = join(this.#root, name);
      const isUsed = lowers.some((lower) => lower.includes(`${directory}/`));
      if (isUsed) this.#usedAtMs.set(name, nowMs);
      const usedAtMs = this.#usedAtMs.get(name) ?? this.#openedAtMs;
      if (isUsed || this.#making.has(name) || nowMs - usedAtMs < idleMs) continue;
      const removed = name.endsWith(partialSuffix) ? name : name + partialSuffix;
      renameSync(directory, join(this.#root, removed)); // at once, so that nobody is given what is being removed
      await this.#remove(removed);
    }
  }

  /**
   * As large as need be: what may be taken is bounded by the node's memory reserve. Large pages halve what writing and reading it costs. In
   * turn: a second mount would lie over the first and what is in it.
   */
  async #mount(): Promise<void> {
    await this.#mutex.run(this.#root, () => mountPrivateTmpfs(this.#root, 'thaw-plain', 'size=100%', ['huge=within_size']));
  }

  async #makeEmpty(name: string): Promise<string> {
    await this.#remove(name);
    this.#making.add(name);
    const directory = join(this.#root, name);
    mkdirSync(directory, { mode: 0o700 });
    return directory;
  }

  async #remove(name: string): Promise<void> {
    this.#making.delete(name);
    this.#usedAtMs.delete(name);
    await removeTree(join(this.#root, name));
  }
}

/** Of a golden whose files are replaced the copy of the old ones stays for as long as instances run on it. */
function nameOf(golden: GoldenId, digest: string): string {
  return `${golden}-${digest.replace(/^sha256:/, '').slice(0, 16)}`;
}

function readNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}
