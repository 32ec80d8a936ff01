import { chmodSync, lchownSync } from 'node:fs';
import type { GoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import { elapsedMs } from '#src/platform/clock.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import type { Encryption } from './encryption/golden-encryption.ts';
import { type Seal, sealGolden } from './golden-seal.ts';
import { signGolden } from './golden-signature.ts';
import { type GoldenLayout, goldenLayout } from './instance-layout.ts';
import { walkTree } from './walk-tree.ts';

export interface SealedDraft {
  readonly seal: Seal;
  /** Ids of the keys. */
  readonly signedBy?: string;
  readonly encryptedWith?: string;
  /** By phase. `encrypt` where the node has a key. */
  readonly timingsMs: Readonly<Record<string, number>>;
}

/**
 * Makes of the files of a draft what a golden is: read-only and root's alone, encrypted where `encryption` was begun, named by a manifest that is
 * signed where this node signs.
 */
export async function sealDraft(
  keys: GoldenKeys,
  golden: GoldenId,
  draft: GoldenLayout,
  encryption: Encryption | undefined,
): Promise<SealedDraft> {
  const startedAt = performance.now();
  const known = await encryption?.finish(draft.diff);
  if (known) await removeTree(draft.diff);
  const encryptMs = elapsedMs(startedAt);
  protectFiles(draft);
  const seal = await sealGolden(draft, golden, known);
  if (keys.signing) signGolden(keys.signing, draft.directory, seal.digest);
  return {
    seal,
    ...(keys.signing ? { signedBy: keys.signing.keyId } : {}),
    ...(keys.wrapping && known ? { encryptedWith: keys.wrapping.keyId } : {}),
    timingsMs: { ...(known ? { encrypt: encryptMs } : {}), seal: elapsedMs(startedAt) },
  };
}

/** Root's alone and read-only. The diff keeps modes and owners: they are the app's, and nobody but root comes past the directory above. */
function protectFiles({ directory }: GoldenLayout): void {
  chmodSync(directory, 0o700);
  const { diff } = goldenLayout(directory);
  for (const { path, location, stats } of walkTree(directory)) {
    const isApps = `${directory}/${path}`.startsWith(`${diff}/`) || `${directory}/${path}` === diff;
    if (isApps) continue;
    if (stats.uid !== 0n || stats.gid !== 0n) lchownSync(location, 0, 0);
    if (stats.isDirectory() || stats.isFile()) chmodSync(location, stats.isDirectory() ? 0o700 : 0o400);
  }
}
