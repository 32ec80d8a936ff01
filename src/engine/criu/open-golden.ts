import { readFileSync } from 'node:fs';
import type { GoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { type EncryptionHeader, openDataKey, readHeader } from './encryption/data-key.ts';
import { decryptGolden } from './encryption/decrypt-golden.ts';
import type { PlainCopies } from './encryption/plain-copies.ts';
import { type GoldenRecord, readRecord } from './golden-record.ts';
import type { Seal } from './golden-seal.ts';
import { readSignature } from './golden-signature.ts';
import { type GoldenLayout, goldenLayout } from './instance-layout.ts';

export interface OpenGolden {
  /** Where the plain files are: of an encrypted golden in a tmpfs of this node, but for `directory` and `manifest`. */
  readonly layout: GoldenLayout;
  readonly record: GoldenRecord;
  readonly seal: Seal;
  /** runc's files of the primer, its names taken out (runc-state.ts). */
  readonly files: { readonly config: string; readonly runcState: string };
  /** Ids of the keys; absent: not signed, not encrypted. */
  readonly signedBy?: string;
  readonly encryptedWith?: string;
}

/** Of files that are proven. Throws encryption_key_missing, encryption_key_wrong and memory_reserve. */
export async function openGolden(
  keys: Pick<GoldenKeys, 'wrapping'>,
  plain: PlainCopies,
  golden: GoldenId,
  onDisk: GoldenLayout,
  seal: Seal,
): Promise<OpenGolden> {
  const header = readHeader(onDisk.directory);
  const layout = header ? await reveal(keys, plain, golden, onDisk, header, seal) : onDisk;
  const signedBy = readSignature(onDisk.directory, golden)?.keyId;
  return {
    layout,
    record: readRecord(layout, golden),
    seal,
    files: { config: readFileSync(layout.config, 'utf8'), runcState: readFileSync(layout.runcState, 'utf8') },
    ...(signedBy === undefined ? {} : { signedBy }),
    ...(header ? { encryptedWith: header.keyId } : {}),
  };
}

async function reveal(
  { wrapping }: Pick<GoldenKeys, 'wrapping'>,
  plain: PlainCopies,
  golden: GoldenId,
  { directory, manifest }: GoldenLayout,
  header: EncryptionHeader,
  { digest, sizeBytes }: Seal,
): Promise<GoldenLayout> {
  const copy = await plain.open(golden, digest, sizeBytes, async (empty) => {
    const key = await openDataKey(wrapping, directory, header);
    await decryptGolden(key, header, directory, empty);
  });
  return { ...goldenLayout(copy), directory, manifest };
}
