import { createHash } from 'node:crypto';
import { chmod, constants, copyFile, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isErrnoError } from '#src/platform/errno.ts';
import { run } from '#src/platform/subprocess.ts';

/** What the template of the sample app says. A small young generation keeps garbage out of the golden. */
export const sampleCommand = ['/usr/bin/node', '--max-semi-space-size=4', '/app/server.mjs'];
export const samplePort = 8080;

/** In the checkout, ignored by git: found again by the next demo. */
export const sampleImageDirectory = fileURLToPath(new URL('../../.thaw/images', import.meta.url));

const appDirectory = fileURLToPath(new URL('sample-app', import.meta.url));

const files = {
  '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n',
  '/etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  '/etc/nsswitch.conf': 'hosts: files dns\n',
};
/** Directories, some of which the engine mounts over. */
const directories = ['/dev', '/etc', '/proc', '/root', '/run', '/sys', '/tmp', '/var/tmp'];

/**
 * Makes the sample app's root filesystem below `directory` from what this machine has (this Node, a shell, their libraries), and
 * answers its path. The path is named by what goes in, so a second call finds it, and a changed input makes a new one.
 */
export async function buildSampleImage(directory: string): Promise<string> {
  const inputs = await listInputs();
  const rootfs = join(directory, `sample-${await hashInputs(inputs)}`);
  if (await exists(rootfs)) return rootfs;
  await mkdir(directory, { recursive: true });
  const building = await mkdtemp(join(directory, '.building-'));
  try {
    await fillRootfs(building, inputs);
    await rename(building, rootfs);
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    if (!isErrnoError(error, 'ENOTEMPTY', 'EEXIST')) throw error; // otherwise another call was first
  }
  return rootfs;
}

/** A file of this machine and its place in the image. */
interface Input {
  readonly source: string;
  readonly target: string;
}

async function listInputs(): Promise<Input[]> {
  const programs = [
    { source: process.execPath, target: '/usr/bin/node' },
    { source: '/bin/sh', target: '/bin/sh' },
  ];
  const libraries = new Set((await Promise.all(programs.map(({ source }) => listLibraries(source)))).flat());
  const app = (await readdir(appDirectory)).sort().map((name) => ({ source: join(appDirectory, name), target: `/app/${name}` }));
  return [...programs, ...[...libraries].sort().map((path) => ({ source: path, target: path })), ...app];
}

/** The shared libraries of a program and its loader, as absolute paths. The vDSO has none and is left out. */
async function listLibraries(program: string): Promise<string[]> {
  const { stdout } = await run(['ldd', program], { timeoutMs: 10_000 });
  return stdout.split('\n').flatMap((line) => /(?:=>|^)\s*(\/\S+)/.exec(line)?.[1] ?? []);
}

/** Contents of the app, which is edited; size and time of the rest, which is large. */
async function hashInputs(inputs: readonly Input[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify({ files, directories }));
  for (const { source, target } of inputs) {
    const { size, mtimeMs } = await stat(source);
    hash.update(JSON.stringify([target, source.startsWith(appDirectory) ? await readFile(source, 'utf8') : [size, mtimeMs]]));
  }
  return hash.digest('hex').slice(0, 12);
}

async function fillRootfs(rootfs: string, inputs: readonly Input[]): Promise<void> {
  await chmod(rootfs, 0o755);
  for (const directory of directories) await mkdir(join(rootfs, directory), { recursive: true });
  for (const { source, target } of inputs) {
    await mkdir(dirname(join(rootfs, target)), { recursive: true });
    await copyFile(source, join(rootfs, target), constants.COPYFILE_FICLONE);
  }
  for (const [path, text] of Object.entries(files)) await writeFile(join(rootfs, path), text);
  for (const shared of ['/tmp', '/var/tmp']) await chmod(join(rootfs, shared), 0o1777);
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
