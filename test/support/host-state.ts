import { run } from '#src/platform/subprocess.ts';

/** What the host's own commands say of it, by area, one thing a line. */
export type HostState = Readonly<Record<string, readonly string[]>>;

const areas: Readonly<Record<string, readonly (readonly [string, ...string[]])[]>> = {
  links: [['ip', '-brief', 'link', 'show']],
  addresses: [['ip', '-brief', 'address', 'show']],
  routes: [
    ['ip', '-4', 'route', 'show', 'table', 'all'],
    ['ip', '-6', 'route', 'show', 'table', 'all'],
  ],
  rules: [
    ['ip', '-4', 'rule', 'show'],
    ['ip', '-6', 'rule', 'show'],
  ],
  namespaces: [['ip', 'netns', 'list']],
  mounts: [['findmnt', '--raw', '--noheadings', '--output', 'TARGET,SOURCE,FSTYPE']],
  cgroups: [['find', '/sys/fs/cgroup', '-type', 'd']],
  switches: [['sysctl', '--all', '--pattern', '^net[.]ipv4[.](ip_forward$|conf[.])']],
};

/**
 * The state of the host as far as Thaw touches it. `own`: what marks a thing as ours (tag, directories).
 *
 * Other suites and a `demo --keep` may run beside: what names a Thaw and not `own` is another's and left out, as is what others have made
 * below cgroups of theirs. IPv4 forwarding and the mount on /run/netns belong to whoever needs them first: with another Thaw about, nobody can
 * tell whose they are, and they are left out too.
 */
export async function readHostState(own: readonly string[]): Promise<HostState> {
  const isOthers = (line: string) => /\bthaw\b|\bthaw_/.test(line) && !own.some((mark) => line.includes(mark));
  const all = await Promise.all(
    Object.entries(areas).map(async ([area, commands]) => [area, (await Promise.all(commands.map(readLines))).flat()] as const),
  );
  all.push(['firewall', await readFirewall()]);
  const isShared = all.some(([, lines]) => lines.some(isOthers));
  const isKept = (area: string, line: string) =>
    !isOthers(line) &&
    !(area === 'cgroups' && isOthersGroup(line)) &&
    !(isShared && (area === 'switches' || line.startsWith('/run/netns ')));
  return Object.fromEntries(all.map(([area, lines]) => [area, lines.filter((line) => isKept(area, line)).toSorted()]));
}

async function readLines(command: readonly [string, ...string[]]): Promise<string[]> {
  const { stdout } = await run(command, { timeoutMs: 10_000, okCodes: [1] }); // find: a group went while it looked; sysctl: one it may not read
  const passing = / (?:expires \d+sec|\(id: \d+\))/g; // a route's age, the number a namespace was given
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.replace(passing, '').trim()]));
}

/** One entry a table. */
async function readFirewall(): Promise<string[]> {
  const { stdout } = await run(['nft', '--stateless', 'list', 'ruleset'], { timeoutMs: 10_000 });
  return stdout.split(/^(?=table )/m).filter((table) => table !== '');
}

/** Units of systemd, sessions and containers come and go below the groups of their keepers; ours begin at the top of a hierarchy. */
function isOthersGroup(path: string): boolean {
  const [, ...below] = path.slice('/sys/fs/cgroup/'.length).split('/');
  return (below.length > 1 && !path.includes('thaw')) || /\.(?:slice|scope|service)(?:\/|$)/.test(path);
}

/** A process, by what no other has: its number and when it began. */
export interface SeenProcess {
  readonly key: string;
  readonly pid: number;
  readonly ppid: number;
  readonly isZombie: boolean;
  readonly args: string;
}

export async function readProcesses(): Promise<SeenProcess[]> {
  const { stdout } = await run(['ps', '-ww', '-eo', 'pid=,ppid=,stat=,lstart=,args='], { timeoutMs: 10_000 });
  return stdout.split('\n').flatMap((line) => {
    const [, pid = '', ppid = '', stat = '', start = '', args = ''] = /^ *(\d+) +(\d+) +(\S+) +(.{24}) (.*)$/.exec(line) ?? [];
    return pid === '' ? [] : [{ key: `${pid} ${start}`, pid: Number(pid), ppid: Number(ppid), isZombie: stat.startsWith('Z'), args }];
  });
}

/** Those that name one of the marks in their command line, those of the given pids, and all that descend from them. */
export function processesOf(own: readonly string[], pids: readonly number[], all: readonly SeenProcess[]): SeenProcess[] {
  const isRoot = ({ pid, args }: SeenProcess) => pids.includes(pid) || own.some((mark) => args.includes(mark));
  const found = new Map(all.filter(isRoot).map((process) => [process.pid, process]));
  for (let before = -1; before < found.size; ) {
    before = found.size;
    for (const process of all) if (found.has(process.ppid)) found.set(process.pid, process);
  }
  return [...found.values()];
}
