import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createLocalSandboxes } from '#src/engine/sandbox/local/local-sandboxes.ts';
import type { Sandbox, SandboxProvider } from '#src/engine/sandbox/sandbox.ts';
import { parseConfig } from '#src/platform/config.ts';
import { newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { makeTempDir } from './temp-dir.ts';

/** The network of a node of a test's own, set up, with what tests ask about it. */
export interface LocalNode extends AsyncDisposable {
  readonly sandboxes: SandboxProvider;
  readonly tag: string;
  readonly bridge: string;
  readonly runDir: string;
  readonly subnet: string;
  readonly gateway: string;
  prepare(): Promise<Sandbox>;
  /** A provider as a restarted process has it. */
  reopen(): SandboxProvider;
}

export async function openLocalNode(settings: { hostPorts?: readonly number[]; resolvConf?: string } = {}): Promise<LocalNode> {
  const directory = await makeTempDir();
  const { tag, paths } = parseConfig({ THAW_DATA_DIR: directory.path });
  const resolvConf = { host: settings.resolvConf ?? '/etc/resolv.conf', upstream: '/nowhere' };
  const reopen = () =>
    createLocalSandboxes({ tag, dataDir: paths.dataDir, runDir: paths.run, hostPorts: settings.hostPorts ?? [], resolvConf });
  const sandboxes = reopen();
  const close = async () => {
    await sandboxes.tearDown();
    await directory[Symbol.asyncDispose]();
  };
  try {
    await sandboxes.setUp();
  } catch (error) {
    await close();
    throw error;
  }
  const { subnet } = z.object({ subnet: z.string() }).parse(JSON.parse(await readFile(join(paths.dataDir, 'network.json'), 'utf8')));
  return {
    sandboxes,
    tag,
    runDir: paths.run,
    bridge: `thaw-${tag}`,
    subnet,
    gateway: subnet.replace('.0/20', '.1'),
    prepare: () => sandboxes.prepare(newInstanceId()),
    reopen,
    [Symbol.asyncDispose]: close,
  };
}

/** Runs a program in the network of a sandbox and answers its stdout. */
export async function inside(sandbox: Sandbox, ...argv: string[]): Promise<string> {
  return (await run(['nsenter', `--net=${sandbox.netnsPath}`, ...argv], { timeoutMs: 10_000 })).stdout;
}

/** What the system's own commands say of the host's network, without what other Thaws on this machine do at the same time. */
export async function describeHostNetwork(ownTag: string): Promise<string[]> {
  const commands = [
    'ip -o link',
    'ip -o addr',
    'ip route show table all',
    'ip neigh show nud permanent',
    'ip netns',
    'grep netns /proc/self/mountinfo || true',
    'nft list tables',
    'cat /proc/sys/net/ipv4/ip_forward',
  ];
  const outputs = await Promise.all(commands.map((command) => run(['sh', '-c', command], { timeoutMs: 10_000 })));
  const lines = outputs.flatMap(({ stdout }) => stdout.split('\n'));
  return lines.filter((line) => (/thaw[-_]([0-9a-f]{6})/.exec(line)?.[1] ?? ownTag) === ownTag);
}
