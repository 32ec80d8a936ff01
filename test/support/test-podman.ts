import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { findCriu } from '#src/engine/criu/find-criu.ts';
import { findProgram, programDirectories } from '#src/platform/find-program.ts';
import { removeTree } from '#src/platform/remove-tree.ts';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from './temp-dir.ts';

/** What its tests need: podman and what makes its bridge. */
export const podmanMissing = ['podman', 'iptables'].some((name) => !findProgram(name)) || !existsSync('/usr/lib/podman/netavark');

export interface TestPodman extends AsyncDisposable {
  /** Its own files; removed with it. */
  readonly directory: string;
  podman(...args: string[]): Promise<string>;
  /** GET, from the network that its containers are in. */
  get(container: string, path: string): Promise<string>;
}

const cgroupParents = ['libpod_parent', 'conmon'];
/** Of the machine's podman, and no option puts them elsewhere. */
const machineWide = ['/run/containers'];

/** podman with storage, state and a network namespace of its own: the machine's podman, links and firewall do not see it. */
export async function startTestPodman(): Promise<TestPodman> {
  const temporary = await makeTempDir();
  const directory = temporary.path;
  const netns = `thaw-podman-${randomBytes(4).toString('hex')}`;
  const env = await configure(directory);
  const before = [...listCgroupParents(), ...machineWide.filter((path) => existsSync(path))];
  await run(['ip', 'netns', 'add', netns], { timeoutMs: 10_000 });
  const inside = ['nsenter', `--net=/run/netns/${netns}`, '--'] as const;
  await run([...inside, 'ip', 'link', 'set', 'lo', 'up'], { timeoutMs: 10_000 });
  const podman = async (...args: string[]) => {
    const global = ['--root', join(directory, 'root'), '--runroot', join(directory, 'run'), '--tmpdir', join(directory, 'tmp')];
    const engine = ['--storage-driver', 'vfs', '--cgroup-manager', 'cgroupfs', '--runtime', 'runc', '--events-backend', 'none'];
    const network = ['--network-config-dir', join(directory, 'networks')];
    const { stdout } = await run([...inside, 'podman', ...global, ...engine, ...network, ...args], { timeoutMs: 60_000, env });
    return stdout.trim();
  };
  return {
    directory,
    podman,
    async get(container, path) {
      const address = await podman('inspect', '--format', '{{.NetworkSettings.IPAddress}}', container);
      return (
        await run(
          [...inside, 'curl', '--silent', '--retry', '5', '--retry-connrefused', '--max-time', '20', `http://${address}:8080${path}`],
          { timeoutMs: 30_000 },
        )
      ).stdout;
    },
    async [Symbol.asyncDispose]() {
      await podman('rm', '--all', '--force', '--time', '0').catch(() => '');
      await run(['ip', 'netns', 'delete', netns], { timeoutMs: 10_000 });
      for (const cgroup of listCgroupParents()) if (!before.includes(cgroup)) removeCgroups(cgroup);
      for (const path of machineWide) if (!before.includes(path)) await removeTree(path);
      await temporary[Symbol.asyncDispose]();
    },
  };
}

async function configure(directory: string): Promise<Record<string, string>> {
  for (const name of ['networks', 'temporary']) await mkdir(join(directory, name));
  const containers = join(directory, 'containers.conf');
  // Limits may not be raised here, and locks in /dev/shm would be the machine's.
  await writeFile(containers, '[containers]\ndefault_ulimits = []\nlog_driver = "k8s-file"\n[engine]\nlock_type = "file"\n');
  const storage = join(directory, 'storage.conf');
  await writeFile(storage, `[storage]\ndriver = "vfs"\ngraphroot = "${directory}/root"\nrunroot = "${directory}/run"\n`);
  return {
    PATH: [dirname(findCriu() ?? '/usr/sbin/criu'), ...programDirectories].join(':'),
    HOME: directory,
    TMPDIR: join(directory, 'temporary'),
    CONTAINERS_CONF: containers,
    CONTAINERS_STORAGE_CONF: storage,
  };
}

function listCgroupParents(): string[] {
  const root = '/sys/fs/cgroup';
  const hierarchies = [root, ...readdirSync(root).map((name) => join(root, name))];
  return hierarchies.flatMap((hierarchy) => cgroupParents.map((name) => join(hierarchy, name))).filter((path) => existsSync(path));
}

/** Those below first. One that is in use stays. */
function removeCgroups(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) if (entry.isDirectory()) removeCgroups(join(path, entry.name));
  try {
    rmdirSync(path);
  } catch {}
}
