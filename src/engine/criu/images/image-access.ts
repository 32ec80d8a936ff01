/** Where images may be had from, as the settings say. */
export interface ImageAccess {
  /** Directories below which path images may lie. */
  readonly imageRoots: readonly string[];
  /** Without one skopeo looks where it always does (~/.docker/config.json and so on). */
  readonly registryAuthFile?: string | undefined;
  /** `host:port` of registries spoken to without TLS. */
  readonly insecureRegistries: readonly string[];
}
