import { createHash } from 'node:crypto';
import {
  appendFile,
  chmod,
  chown,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isErrnoError } from '#src/platform/errno.ts';
import { run } from '#src/platform/subprocess.ts';

/** Kept between runs: the images are large, and the same packages make the same image. May be removed at any time. */
export const imageCache = '/var/cache/thaw-test-apps';

export interface DebianImage {
  readonly name: string;
  /** Unpacked with all they depend on; without what they only recommend. */
  readonly packages: readonly string[];
  /** The app's own: path in the image → source. */
  readonly files: Readonly<Record<string, URL>>;
}

const fetchTimeoutMs = 300_000;
const unpackTimeoutMs = 120_000;

/**
 * The path of a root filesystem made from Debian packages, none of which is installed on this machine. No maintainer script is run: what
 * one would set up, the app's files and command must. All images have the users root and app (uid and gid 1000, at home in /home/app).
 */
export async function makeDebianImage(image: DebianImage): Promise<string> {
  const rootfs = join(imageCache, `${image.name}-${await hashImage(image)}`);
  if (await exists(rootfs)) return rootfs;
  await mkdir(imageCache, { recursive: true, mode: 0o700 }); // setuid programs of the packages are not for this machine's users
  const building = await mkdtemp(join(imageCache, '.building-'));
  try {
    const packages = await download(image.packages, join(building, 'apt'));
    const unpacked = join(building, 'rootfs');
    await unpack(packages, unpacked);
    await addUsers(unpacked);
    await addFiles(unpacked, image.files);
    await rename(unpacked, rootfs);
  } catch (error) {
    if (!isErrnoError(error, 'ENOTEMPTY', 'EEXIST')) throw error; // otherwise another run was first
  } finally {
    await rm(building, { recursive: true });
  }
  return rootfs;
}

async function hashImage(image: DebianImage): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(image.packages));
  for (const [path, source] of Object.entries(image.files)) hash.update(`\0${path}\0`).update(await readFile(source));
  return hash.digest('hex').slice(0, 12);
}

/**
 * The packages' files. Sources, keys and proxies are the machine's own, indexes and caches are in `directory`, and the status
 * is that of an empty machine, so that libc6 comes too. The hooks that are cleared would act on the machine's caches.
 */
async function download(packages: readonly string[], directory: string): Promise<string[]> {
  const config = join(directory, 'apt.conf');
  await mkdir(directory);
  await writeFile(join(directory, 'status'), '');
  await writeFile(
    config,
    `Dir::State "${directory}";
Dir::State::status "${directory}/status";
Dir::Cache "${directory}";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
`,
  );
  // A source that can not be reached is no failure to apt; it is told when a package turns out to be missing.
  const update = await run(['apt-get', '-q', '-c', config, 'update'], { timeoutMs: fetchTimeoutMs });
  const install = ['--download-only', '--yes', '--no-install-recommends', 'install'];
  try {
    await run(['apt-get', '-q', '-c', config, ...install, ...packages], { timeoutMs: fetchTimeoutMs });
  } catch (error) {
    throw new Error(`${packages.join(', ')} could not be downloaded; apt-get update said: ${update.stderr}`, { cause: error });
  }
  const archives = join(directory, 'archives');
  return (await readdir(archives)).filter((name) => name.endsWith('.deb')).map((name) => join(archives, name));
}

/** Some packages bring files for /lib and others for /usr/lib: both must end in one directory, as on an installed machine. */
async function unpack(packages: readonly string[], rootfs: string): Promise<void> {
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(rootfs, 'usr', name), { recursive: true });
    await symlink(`usr/${name}`, join(rootfs, name));
  }
  for (const file of packages) {
    const script = 'dpkg-deb --fsys-tarfile "$0" | tar --extract --keep-directory-symlink --directory "$1"';
    await run(['bash', '-o', 'pipefail', '-c', script, file, rootfs], { timeoutMs: unpackTimeoutMs });
  }
  for (const name of ['proc', 'sys', 'dev', 'run', 'root', 'tmp', 'var/tmp']) await mkdir(join(rootfs, name), { recursive: true });
  for (const shared of ['tmp', 'var/tmp']) await chmod(join(rootfs, shared), 0o1777);
}

async function addUsers(rootfs: string): Promise<void> {
  const home = join(rootfs, 'home/app');
  await mkdir(home, { recursive: true });
  await chown(home, 1000, 1000);
  await appendFile(join(rootfs, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n');
  await appendFile(join(rootfs, 'etc/group'), 'root:x:0:\napp:x:1000:\n');
}

async function addFiles(rootfs: string, files: Readonly<Record<string, URL>>): Promise<void> {
  for (const [path, source] of Object.entries(files)) {
    const target = join(rootfs, path);
    await mkdir(dirname(target), { recursive: true });
    await copyFile(source, target);
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
