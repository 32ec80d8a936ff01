import { chmod, copyFile, lutimes, mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Workload } from '#src/engine/workload.ts';
import { run } from '#src/platform/subprocess.ts';

const app = '/srv/test-app.pl';
const perl = '/usr/bin/perl';
const busybox = '/bin/busybox';

/**
 * A root filesystem of about 10 MB made from what the machine has, nothing downloaded: the test app, perl with the modules the app loads, and
 * busybox for /bin; its users are root and app (uid and gid 1000). The same machine makes the same bytes, modes and times, so that its content hash is stable. `directory` must be empty.
 */
export async function makeTestImage(directory: string): Promise<void> {
  const source = fileURLToPath(new URL('./test-app.pl', import.meta.url));
  await Promise.all([copyInto(directory, perl), copyInto(directory, busybox), copyInto(directory, source, app)]);
  for (const file of [...(await perlFiles()), ...(await librariesOf(perl))]) await copyInto(directory, file);
  for (const empty of ['proc', 'sys', 'dev', 'tmp', 'run', 'root', 'var/tmp']) await mkdir(join(directory, empty), { recursive: true });
  await linkApplets(directory);
  await writeEtc(directory);
  await settle(directory);
  await chmod(join(directory, 'tmp'), 0o1777);
}

/** The test app on that image, listening on 8080. `over` replaces what a test wants otherwise. */
export function testWorkload(image: string, over: Partial<Workload> = {}): Workload {
  return Workload.parse({
    image,
    command: [perl, app],
    ports: [{ name: 'web', port: 8080 }],
    resources: { memoryBytes: 128 * 1024 * 1024 },
    ...over,
  });
}

/** What the app loads, asked of perl itself: its modules and their shared objects, all from perl-base. */
async function perlFiles(): Promise<string[]> {
  const modules = 'use strict; use warnings; use IO::Socket::INET; require Carp; require Errno; require DynaLoader;';
  const { stdout } = await run([perl, '-e', `${modules} print join "\\n", sort(values %INC, @DynaLoader::dl_shared_objects)`], {
    timeoutMs: 10_000,
  });
  return stdout.split('\n');
}

async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run(['ldd', program], { timeoutMs: 10_000 });
  return stdout.split('\n').flatMap((line) => line.match(/(\/\S+) \(0x/)?.[1] ?? []);
}

async function linkApplets(directory: string): Promise<void> {
  const { stdout } = await run([busybox, '--list'], { timeoutMs: 10_000 });
  const applets = stdout.split('\n').filter((name) => name !== '' && name !== 'busybox');
  await Promise.all(applets.map((name) => symlink('busybox', join(directory, 'bin', name))));
}

async function writeEtc(directory: string): Promise<void> {
  const files = {
    passwd: `root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/tmp:/bin/sh\n`,
    group: `root:x:0:\napp:x:1000:\n`,
    'nsswitch.conf': 'hosts: files dns\n',
    hostname: '',
    hosts: '',
    'resolv.conf': '',
    'machine-id': '',
  };
  await mkdir(join(directory, 'etc'), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, 'etc', name);
    await writeFile(path, text);
    await chmod(path, 0o644);
  }
}

async function copyInto(directory: string, file: string, as = file): Promise<void> {
  const target = join(directory, as);
  await mkdir(dirname(target), { recursive: true });
  await copyFile(file, target);
  await chmod(target, 0o755);
}

/** One time for everything, for some content hashes cover it, and directories that all may enter, whatever the umask. */
async function settle(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await settle(path);
    else await lutimes(path, 0, 0);
  }
  await chmod(directory, 0o755);
  await utimes(directory, 0, 0);
}
