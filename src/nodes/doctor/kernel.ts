import { readdir, readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { type Condition, type Finding, fail, pass, warn } from './finding.ts';
import { readText } from './read-text.ts';

export async function checkKernel(): Promise<Finding[]> {
  const [config, filesystems, namespaces, nsLastPid, seccompActions, maxUserNamespaces, clockSource] = await Promise.all([
    readKernelConfig(),
    readText('/proc/filesystems'),
    readdir('/proc/self/ns').catch(() => []),
    readText('/proc/sys/kernel/ns_last_pid'),
    readText('/proc/sys/kernel/seccomp/actions_avail'),
    readText('/proc/sys/user/max_user_namespaces'),
    readText('/sys/devices/system/clocksource/clocksource0/current_clocksource'),
  ]);
  const probed = {
    filesystems: filesystems ?? '',
    namespaces,
    hasNsLastPid: nsLastPid !== undefined,
    seccompActions: seccompActions ?? '',
  };
  return [
    config === undefined ? judgeKernelByBehaviour(probed) : judgeKernelConfig(config),
    judgeTimeNamespace(namespaces),
    judgeUserNamespaces(maxUserNamespaces),
    judgeClock(new Date(), clockSource),
  ];
}

const kernelOptions: Condition = {
  id: 'kernel_options',
  title: 'Kernel options',
  cost: 'containers can not be isolated, connected or checkpointed',
  fix: 'Boot a kernel with these options (the stock kernels of Debian, Ubuntu and Fedora have them), or load the modules.',
};

/** Each of these stands for what the engine does with it. */
const neededOptions = [
  'CHECKPOINT_RESTORE',
  'NAMESPACES',
  'UTS_NS',
  'IPC_NS',
  'PID_NS',
  'NET_NS',
  'SECCOMP_FILTER',
  'CGROUPS',
  'MEMCG',
  'CGROUP_PIDS',
  'OVERLAY_FS',
  'TMPFS',
  'VETH',
  'BRIDGE',
  'NF_TABLES',
  'NF_TABLES_INET',
  'NF_TABLES_BRIDGE',
  'NFT_CT',
  'NFT_NAT',
  'NFT_MASQ',
  'UNIX_DIAG',
  'INET_DIAG',
];

/** Judges the text of /proc/config.gz or /boot/config-*; a module counts as there. */
export function judgeKernelConfig(config: string): Finding {
  const set = new Set([...config.matchAll(/^CONFIG_([A-Z0-9_]+)=[ym]$/gm)].map(([, name]) => name));
  const missing = neededOptions.filter((name) => !set.has(name));
  if (missing.length > 0) return fail(kernelOptions, `without ${missing.map((name) => `CONFIG_${name}`).join(', ')}`);
  return pass(kernelOptions, `all ${neededOptions.length} that are needed`);
}

export interface ProbedKernel {
  readonly filesystems: string;
  readonly namespaces: readonly string[];
  readonly hasNsLastPid: boolean;
  readonly seccompActions: string;
}

/** For hosts that hide their kernel's configuration: what the kernel shows of itself. Overlayfs has a trial of its own (storage.ts). */
export function judgeKernelByBehaviour(kernel: ProbedKernel): Finding {
  const lacks = [
    kernel.hasNsLastPid ? '' : 'checkpoint/restore (CONFIG_CHECKPOINT_RESTORE)',
    ...['uts', 'ipc', 'pid', 'net', 'mnt'].map((name) => (kernel.namespaces.includes(name) ? '' : `${name} namespaces`)),
    kernel.seccompActions.includes('errno') ? '' : 'seccomp filters (CONFIG_SECCOMP_FILTER)',
    /\btmpfs\b/.test(kernel.filesystems) ? '' : 'tmpfs',
  ].filter((lack) => lack !== '');
  if (lacks.length > 0) return fail(kernelOptions, `without ${lacks.join(', ')}`);
  return pass(kernelOptions, 'the configuration is not readable; what was probed is there');
}

function judgeTimeNamespace(namespaces: readonly string[]): Finding {
  const condition: Condition = {
    id: 'time_namespace',
    title: 'Time namespaces',
    cost: 'a golden restored after a reboot sees its monotonic clock jump, so timers fire at once or never',
    fix: 'Use kernel 5.6 or newer with CONFIG_TIME_NS, or take new goldens after a reboot.',
  };
  return namespaces.includes('time') ? pass(condition, 'yes') : warn(condition, 'no');
}

/** Debian's own switch for unprivileged ones does not matter: Thaw is root. */
export function judgeUserNamespaces(max: string | undefined): Finding {
  const condition: Condition = {
    id: 'user_namespaces',
    title: 'User namespaces',
    cost: 'apps that sandbox themselves (Chromium, bubblewrap) do not start; Thaw itself does without',
    fix: 'sysctl user.max_user_namespaces=10000, and CONFIG_USER_NS in the kernel.',
  };
  const count = Number(max ?? 0);
  return count > 0 ? pass(condition, `at most ${count}`) : warn(condition, max === undefined ? 'not in this kernel' : 'switched off (0)');
}

/** Reading these from user space costs a system call and often a trap to the hypervisor. */
const slowClockSources = ['hpet', 'acpi_pm', 'jiffies'];

export function judgeClock(now: Date, source: string | undefined): Finding {
  const condition: Condition = {
    id: 'clock',
    title: 'Clock',
    cost: 'a wrong date breaks TLS to registries and misdates leases; a slow source makes every reading of the time a system call',
    fix: 'Set the date (timedatectl set-ntp true); see /sys/devices/system/clocksource/clocksource0/available_clocksource for a faster source.',
  };
  const found = `${now.toISOString().slice(0, 19)}Z, source ${source ?? 'unknown'}`;
  const isWrong = now.getUTCFullYear() < 2026 || (source !== undefined && slowClockSources.includes(source));
  return isWrong ? warn(condition, found) : pass(condition, found);
}

async function readKernelConfig(): Promise<string | undefined> {
  try {
    return (await promisify(gunzip)(await readFile('/proc/config.gz'))).toString('utf8');
  } catch {
    return await readText(`/boot/config-${release()}`);
  }
}
