import type { GoldenKeySettings } from '#src/platform/golden-key-settings.ts';
import { openSigningKey, type SigningKey } from './signing-key.ts';
import { openTrustedKeys, type TrustedKeys } from './trusted-keys.ts';
import { openWrappingKey, type WrappingKey } from './wrapping-key.ts';

/** The keys of this node. Undefined is off. */
export interface GoldenKeys {
  readonly signing: SigningKey | undefined;
  /** Our own signing key is one of them. */
  readonly trusted: TrustedKeys | undefined;
  readonly wrapping: WrappingKey | undefined;
}

/** Throws node_unfit that names the setting whose file can not be used. */
export function openGoldenKeys({ signingKeyFile, trustedKeyPaths, encryption }: GoldenKeySettings): GoldenKeys {
  const signing = signingKeyFile === undefined ? undefined : openSigningKey(signingKeyFile);
  const own: TrustedKeys = new Map(signing ? [[signing.keyId, signing.publicKey]] : []);
  return {
    signing,
    trusted: trustedKeyPaths && new Map([...openTrustedKeys(trustedKeyPaths), ...own]),
    wrapping: encryption && openWrappingKey(encryption),
  };
}
