import type { Sandbox } from '#src/engine/sandbox/sandbox.ts';
import type { Workload } from '#src/engine/workload.ts';
import { cpuQuotaUs } from './cgroups.ts';
import type { OciSeccomp } from './seccomp-profile.ts';

export interface ExternalMount {
  readonly destination: string;
  readonly source: string;
}

export interface SpecInput {
  readonly workload: Workload;
  readonly image: {
    readonly env: Readonly<Record<string, string>>;
    readonly entrypoint: readonly string[];
    readonly cmd: readonly string[];
    readonly workdir: string;
  };
  readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[]; readonly home: string };
  readonly sandbox: Sandbox;
  readonly rootfs: string;
  readonly cgroupsPath: string;
  readonly cgroupMounts: readonly ExternalMount[];
  readonly seccomp: OciSeccomp;
  /** CRIU options of our own, named by the annotation that runc reads; the machine's /etc/criu stays untouched. */
  readonly criuConfig: string;
}

/** podman's default set: no NET_RAW, no MKNOD, no SYS_ADMIN. */
export const capabilities = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_NET_BIND_SERVICE',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

/** As runc and podman hide them: what the kernel tells of the host, and not of the container alone. */
export const maskedPaths = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
];
export const readonlyPaths = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Where each instance's own files appear. CRIU treats them as external mounts: a clone gets its own source for each. */
export function externalMounts(sandbox: Sandbox, cgroupMounts: readonly ExternalMount[]): ExternalMount[] {
  return [
    { destination: '/run/thaw', source: sandbox.files.runThaw },
    { destination: '/etc/hostname', source: sandbox.files.hostname },
    { destination: '/etc/hosts', source: sandbox.files.hosts },
    { destination: '/etc/resolv.conf', source: sandbox.files.resolvConf },
    { destination: '/etc/machine-id', source: sandbox.files.machineId },
    ...cgroupMounts,
  ];
}

/**
 * The OCI runtime spec of a primer or a cold start. Pure.
 * No rlimits: where CAP_SYS_RESOURCE is missing the kernel refuses them. No cgroup and no mqueue mount: CRIU would have to move them.
 */
export function buildSpec(input: SpecInput): object {
  const { workload, image, user, sandbox } = input;
  const caps = user.uid === 0 ? capabilities : [];
  return {
    ociVersion: '1.0.2',
    hostname: sandbox.hostname,
    root: { path: input.rootfs, readonly: false },
    annotations: { 'org.criu.config': input.criuConfig },
    process: {
      terminal: false,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: commandLine(input),
      env: Object.entries(environment(input)).map(([name, value]) => `${name}=${value}`),
      cwd: workload.workdir ?? (image.workdir || '/'),
      capabilities: { bounding: capabilities, effective: caps, permitted: caps },
      noNewPrivileges: true,
      oomScoreAdj: 500, // under memory pressure the kernel takes an instance before Redis or the API
    },
    mounts: [...systemMounts, ...externalMounts(sandbox, input.cgroupMounts).map(bindMount)],
    linux: {
      cgroupsPath: input.cgroupsPath,
      resources: {
        memory: { limit: workload.resources.memoryBytes, swap: workload.resources.memoryBytes },
        cpu: { quota: cpuQuotaUs(workload.resources.cpus), period: 100_000 },
        pids: { limit: workload.resources.pids },
        devices: [{ allow: false, access: 'rwm' }],
      },
      namespaces: [
        { type: 'pid' },
        { type: 'mount' },
        { type: 'ipc' },
        { type: 'uts' },
        { type: 'cgroup' },
        { type: 'network', path: sandbox.netnsPath },
      ],
      seccomp: input.seccomp,
      maskedPaths,
      readonlyPaths,
    },
  };
}

/** Few tmpfs mounts: CRIU unpacks each with a forked tar, 5 ms a clone (FACTS). */
const systemMounts = [
  { destination: '/proc', type: 'proc', source: 'proc' },
  { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
  { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'] },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'] },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
];

/**
 * Read-only: the host writes there as root, and an instance that could write too might put a link or a FIFO where the host is about to
 * write, or fill the tmpfs that all share.
 */
function bindMount({ destination, source }: ExternalMount): object {
  return { destination, source, type: 'bind', options: ['bind', 'ro', 'nosuid', 'nodev', 'noexec', 'rprivate'] };
}

/** As in Kubernetes: a command of the template replaces ENTRYPOINT and CMD both. */
function commandLine({ workload, image }: SpecInput): string[] {
  return workload.command ?? [...image.entrypoint, ...image.cmd];
}

/** No HOSTNAME: a clone would carry its primer's for ever. */
function environment({ workload, image, user }: SpecInput): Record<string, string> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: user.home,
    ...image.env,
    ...workload.env,
  };
}
