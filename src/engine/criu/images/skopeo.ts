import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { ThawError } from '#src/platform/errors.ts';
import { runTool } from '#src/platform/run-tool.ts';
import type { SubprocessError } from '#src/platform/subprocess.ts';
import type { ImageAccess } from './image-access.ts';
import type { ImageSource } from './image-source.ts';
import { skopeoFailure, skopeoPushFailure } from './skopeo-failure.ts';

export interface SkopeoDeps extends Omit<ImageAccess, 'imageRoots'> {
  /** For big temporary files; on the disk of the store, so that the reserve covers them and a crash leaves them where they are swept. */
  readonly tmpDir: string;
}

const inspectTimeoutMs = 60_000;
const copyTimeoutMs = 30 * 60_000;
/** Memory can be much and a network slow: what moves may go on. */
const transferTimeoutMs = 12 * 3_600_000;
/** A registry that stores what it was sent may say nothing for a while. */
const stallTimeoutMs = 3 * 60_000;

/** The manifest or index as it is stored, byte for byte. Throws image_not_found, image_pull_failed. */
export function inspectManifest(deps: SkopeoDeps, source: ImageSource, signal?: AbortSignal): Promise<string> {
  return skopeo(
    deps,
    source,
    ['inspect', '--raw', ...accessOptions(deps, source, ''), source.name],
    { timeoutMs: inspectTimeoutMs },
    signal,
  );
}

/** The image's configuration as OCI JSON, for this machine where there are several. */
export function inspectConfig(deps: SkopeoDeps, source: ImageSource, signal?: AbortSignal): Promise<string> {
  return skopeo(
    deps,
    source,
    ['inspect', '--config', ...accessOptions(deps, source, ''), source.name],
    { timeoutMs: inspectTimeoutMs },
    signal,
  );
}

/** Copies the image into a new OCI layout under the tag `image`. */
export async function copyToLayout(deps: SkopeoDeps, source: ImageSource, layout: string, signal?: AbortSignal): Promise<void> {
  // umoci 0.4 reads gzip only: zstd layers are packed again. The layout is read once, so packing is quick rather than small.
  const packing = ['--dest-compress-format', 'gzip', '--dest-compress-level', '1'];
  const args = ['copy', '--quiet', ...packing, ...accessOptions(deps, source, 'src-'), source.name, `oci:${layout}:image`];
  await skopeo(deps, source, args, { timeoutMs: copyTimeoutMs, stallTimeoutMs }, signal);
}

/**
 * Copies the image as it is, layers byte for byte, into a new OCI layout under the tag `image`. No file gets larger than `fileBytesMax`,
 * whatever the source sends. Throws image_not_found, image_pull_failed, image_unusable.
 */
export async function pullAsIs(
  deps: SkopeoDeps,
  source: ImageSource,
  layout: string,
  fileBytesMax: number,
  signal?: AbortSignal,
): Promise<void> {
  const args = ['copy', '--quiet', '--dest-oci-accept-uncompressed-layers', ...accessOptions(deps, source, 'src-')];
  const limits = { timeoutMs: transferTimeoutMs, stallTimeoutMs, fileBytesMax };
  await skopeo(deps, source, [...args, source.name, `oci:${layout}:image`], limits, signal);
}

/** Copies the image tagged `image` of an OCI layout to `target`, byte for byte where that is a registry. Throws image_push_failed. */
export async function pushAsIs(deps: SkopeoDeps, layout: string, target: ImageSource, signal?: AbortSignal): Promise<void> {
  const exact = target.registry === undefined ? [] : ['--preserve-digests']; // it would pack what is not packed
  const args = ['copy', '--quiet', ...exact, ...accessOptions(deps, target, 'dest-'), `oci:${layout}:image`, target.name];
  await skopeo(deps, target, args, { timeoutMs: transferTimeoutMs, stallTimeoutMs, explain: skopeoPushFailure }, signal);
}

interface SkopeoLimits {
  readonly timeoutMs: number;
  readonly stallTimeoutMs?: number;
  readonly fileBytesMax?: number;
  readonly explain?: typeof skopeoFailure;
}

async function skopeo(deps: SkopeoDeps, image: ImageSource, args: readonly string[], limits: SkopeoLimits, signal?: AbortSignal) {
  const { fileBytesMax, explain = skopeoFailure, ...times } = limits;
  await checkAuthFile(deps, image);
  const policy = (await hasPolicy()) ? [] : ['--insecure-policy'];
  const bounded = fileBytesMax === undefined ? [] : ['prlimit', `--fsize=${fileBytesMax}`];
  const [program = 'skopeo', ...rest] = [...bounded, 'skopeo', ...policy, '--tmpdir', deps.tmpDir, ...args];
  const options = { ...times, signal, diesWithUs: true, explain: (error: SubprocessError) => explain(error, image, deps.registryAuthFile) };
  return (await runTool(`image ${image.text}`, [program, ...rest], options)).stdout;
}

/** Credentials stay in the auth file or its helpers, which skopeo reads afresh at each call: never on a command line. */
function accessOptions(deps: SkopeoDeps, source: ImageSource, side: '' | 'src-' | 'dest-'): string[] {
  if (source.registry === undefined) return [];
  const authFile = deps.registryAuthFile === undefined ? [] : [`--${side}authfile`, deps.registryAuthFile];
  // Said only where it is wanted: given at all, this option beats what the machine's registries.conf says of a registry.
  const tls = deps.insecureRegistries.includes(source.registry) ? [`--${side}tls-verify=false`] : [];
  return [...authFile, ...tls];
}

/** skopeo 1.9 takes an auth file that is not there for an empty one, and the registry's refusal would hide the cause. */
async function checkAuthFile(deps: SkopeoDeps, source: ImageSource): Promise<void> {
  if (source.registry === undefined || deps.registryAuthFile === undefined) return;
  try {
    await access(deps.registryAuthFile, constants.R_OK);
  } catch (error) {
    const message = `image ${source.text}: the auth file ${deps.registryAuthFile} can not be read`;
    throw new ThawError('image_pull_failed', message, { fix: 'Correct THAW_REGISTRY_AUTH_FILE, or put the file there.', cause: error });
  }
}

/** The machine's signature policy holds for us too. skopeo refuses to work without any; then there is nothing to hold to. */
async function hasPolicy(): Promise<boolean> {
  try {
    await access('/etc/containers/policy.json');
    return true;
  } catch {
    return false;
  }
}
