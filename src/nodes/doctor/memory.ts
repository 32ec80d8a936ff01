import { release } from 'node:os';
import { type Condition, type Finding, pass, warn } from './finding.ts';
import { readText } from './read-text.ts';
import { parseVersion } from './version.ts';

export async function checkMemory(reserveBytes: number): Promise<Finding[]> {
  const [meminfo, ksmRun, hugePages, overcommit] = await Promise.all([
    readText('/proc/meminfo'),
    readText('/sys/kernel/mm/ksm/run'),
    readText('/sys/kernel/mm/transparent_hugepage/enabled'),
    readText('/proc/sys/vm/overcommit_memory'),
  ]);
  return [judgeMemory(meminfo ?? '', reserveBytes), judgeKsm(release(), ksmRun), judgeHugePages(hugePages), judgeOvercommit(overcommit)];
}

const gigabyte = 1024 ** 3;

/** Never a failure: at the reserve Thaw still starts, since what runs must be served and can be released. */
export function judgeMemory(meminfo: string, reserveBytes: number): Finding {
  const condition: Condition = {
    id: 'memory',
    title: 'Memory',
    cost: 'refills stop at the reserve (THAW_MEMORY_RESERVE_MB): every clone needs the memory of its golden',
    fix: 'Add memory, end other programs, or make pools smaller.',
  };
  const availableBytes = Number(/^MemAvailable:\s*(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const found = `${(availableBytes / gigabyte).toFixed(1)} GB available, ${(reserveBytes / gigabyte).toFixed(1)} GB kept in reserve`;
  return availableBytes < reserveBytes + gigabyte ? warn(condition, found) : pass(condition, found);
}

/** Processes ask for merging themselves since 6.4 (PR_SET_MEMORY_MERGE). */
const memoryMergeKernel = 6004;

/** @param run the text of /sys/kernel/mm/ksm/run */
export function judgeKsm(kernel: string, run: string | undefined): Finding {
  const condition: Condition = {
    id: 'ksm',
    title: 'Same-page merging (KSM)',
    cost: 'templates with shareMemory run, but N clones need N times the memory of one',
    fix: 'echo 1 > /sys/kernel/mm/ksm/run. Merging lets tenants time each other: leave it off if no template asks for shareMemory.',
  };
  if ((parseVersion(kernel) ?? 0) < memoryMergeKernel) {
    return warn(
      { ...condition, fix: 'Use kernel 6.4 or newer if you want shareMemory.' },
      `kernel ${kernel} can not merge a process as a whole`,
    );
  }
  if (run === undefined) return warn({ ...condition, fix: 'Use a kernel with CONFIG_KSM if you want shareMemory.' }, 'not in this kernel');
  return run === '1' ? pass(condition, 'running') : warn(condition, 'off');
}

/** @param enabled the text of transparent_hugepage/enabled, e.g. `always [madvise] never` */
export function judgeHugePages(enabled: string | undefined): Finding {
  const condition: Condition = {
    id: 'huge_pages',
    title: 'Transparent huge pages',
    cost: 'filling the memory of a clone takes about a tenth longer (measured: 140 instead of 125 ms for 216 MB)',
    fix: 'echo always > /sys/kernel/mm/transparent_hugepage/enabled, unless other programs of this host (Redis, MongoDB) advise against it.',
  };
  const chosen = /\[(\w+)\]/.exec(enabled ?? '')?.[1];
  return chosen === 'always' ? pass(condition, 'always') : warn(condition, chosen ?? 'not in this kernel');
}

export function judgeOvercommit(mode: string | undefined): Finding {
  const condition: Condition = {
    id: 'overcommit',
    title: 'Memory overcommit',
    cost: 'restores of apps that reserve address space (JVM, Node, Go) fail with ENOMEM long before memory is used up',
    fix: 'sysctl vm.overcommit_memory=0',
  };
  return mode === '2' ? warn(condition, 'strict (vm.overcommit_memory=2)') : pass(condition, `vm.overcommit_memory=${mode ?? 'unknown'}`);
}
