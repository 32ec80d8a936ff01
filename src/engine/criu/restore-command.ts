import { ghostLimitBytes } from './engine-deps.ts';

/** What CRIU needs to know to fill one clone. Paths are absolute. */
export interface RestoreCommand {
  readonly criu: string;
  readonly imageDirectory: string;
  readonly workDirectory: string;
  readonly rootfs: string;
  readonly pidFile: string;
  readonly netnsPath: string;
  /** Never the host's own: what is changed on it inside would change on the host. */
  readonly nullDevice: string;
  readonly externalMounts: readonly { readonly destination: string; readonly source: string }[];
  /** The primer's stdin, stdout and stderr. */
  readonly descriptors: readonly string[];
  /** A tmpfs to show CRIU as /run, where the host's own is none and its kdat cache would not be used. */
  readonly runDirectory: string | undefined;
}

const netnsFd = 7; // dash redirects single digits only

/**
 * The script that conmon runs as its runtime: a shell that joins the clone's cgroups, which takes 2 to 4 ms each on v1, and waits at a
 * gate. It is started while sandbox and root filesystem are still being made; what comes through the gate is `fillScript`.
 */
export function parkScript(gate: string, nullDevice: string, cgroupDirectories: readonly string[]): string {
  const joins = cgroupDirectories.map((directory) => `echo $$ > ${quote(`${directory}/cgroup.procs`)}`);
  return ['set -e', `mkfifo -m 600 ${quote(gate)}`, `mknod -m 666 ${quote(nullDevice)} c 1 3`, ...joins, `. ${quote(gate)}`].join('\n');
}

/**
 * Opens the clone's network namespace, enters a new cgroup namespace (CRIU with manage-cgroups=ignore would keep the host's), then
 * becomes `criu restore`. Straight through CRIU it takes half the time of `runc restore`, with every isolation kept (measured: 45-80 ms against 78-130 for 75 MB).
 */
export function fillScript(command: RestoreCommand): string {
  const criu = criuArguments(command).map(quote).join(' ');
  const enter =
    command.runDirectory === undefined
      ? `exec unshare -C ${criu}`
      : `exec unshare -m -C sh -c ${quote(`mount --bind ${quote(command.runDirectory)} /run && exec "$@"`)} sh ${criu}`;
  return [`exec ${netnsFd}< ${quote(command.netnsPath)}`, enter, ''].join('\n');
}

function criuArguments(command: RestoreCommand): string[] {
  const pipes = command.descriptors.flatMap((descriptor, fd) =>
    descriptor.startsWith('pipe:') ? ['--inherit-fd', `fd[${fd}]:${descriptor}`] : [],
  );
  return [
    ...[command.criu, 'restore', '--images-dir', command.imageDirectory, '--work-dir', command.workDirectory, '--root', command.rootfs],
    ...command.externalMounts.flatMap(({ destination, source }) => ['--external', `mnt[${destination}]:${source}`]),
    ...['--external', `mnt[/dev/null]:${command.nullDevice}`], // runc's masked files
    ...['--inherit-fd', `fd[${netnsFd}]:extRootNetNS`, ...pipes],
    ...['--manage-cgroups=ignore', '--tcp-close', '--file-locks', '--ghost-limit', String(ghostLimitBytes)],
    ...['--restore-detached', '--pidfile', command.pidFile, '--log-file', 'restore.log', '-v1'],
  ];
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
