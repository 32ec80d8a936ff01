import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createImageStore, type ImageStore, type ImageStoreDeps } from '#src/engine/criu/images/image-store.ts';
import { makeTempDir } from './temp-dir.ts';

/** As images name this machine's architecture, and another. */
export const here = process.arch === 'arm64' ? 'arm64' : 'amd64';
export const foreign = here === 'arm64' ? 'amd64' : 'arm64';

export interface TestImageStore extends AsyncDisposable {
  readonly directory: string;
  readonly store: ImageStore;
}

/** An empty store in a directory of its own, without a disk reserve. */
export async function openTestStore(over: Partial<ImageStoreDeps>): Promise<TestImageStore> {
  const directory = await makeTempDir();
  const store = createImageStore({ directory: directory.path, imageRoots: [], insecureRegistries: [], diskReserveBytes: 0, ...over });
  return { directory: directory.path, store, [Symbol.asyncDispose]: directory[Symbol.asyncDispose] };
}

/** What makeTinyRootfs wrote. */
export function readMarker(image: { readonly rootfs: string }): Promise<string> {
  return readFile(join(image.rootfs, 'marker'), 'utf8');
}
