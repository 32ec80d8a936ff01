/** Where the key that wraps the data keys of goldens comes from. */
export type WrappingKeySource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment'; readonly text: string }
  | { readonly kind: 'command'; readonly argv: readonly [string, ...string[]] };

/** How goldens are protected, as the settings say it; no file is read yet. Undefined is off. */
export interface GoldenKeySettings {
  readonly signingKeyFile: string | undefined;
  /** PEM files, or directories of them. Undefined: a golden needs no signature. */
  readonly trustedKeyPaths: readonly string[] | undefined;
  readonly encryption: WrappingKeySource | undefined;
}
