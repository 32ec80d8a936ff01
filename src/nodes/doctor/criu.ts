import { statfs } from 'node:fs/promises';
import { release } from 'node:os';
import { messageOf } from '#src/platform/errors.ts';
import { run } from '#src/platform/subprocess.ts';
import { type Condition, type Finding, fail, pass, warn } from './finding.ts';
import { parseVersion } from './version.ts';

const timeoutMs = 10_000;

export async function checkCriu(findCriu: () => string | undefined): Promise<Finding[]> {
  const criu = findCriu();
  if (criu === undefined) return [judgeCriuVersion(release(), undefined)];
  const [version, check, kdat] = await Promise.all([readCriuVersion(criu), runCriuCheck(criu), statfs('/run').catch(() => undefined)]);
  return [judgeCriuVersion(release(), version), judgeCriuCheck(criu, check), judgeKdat(kdat?.type)];
}

/** What changed in the kernel, and the oldest CRIU that can live with it; the newest change first. */
const criuByKernel = [
  { kernel: 6016, criu: 4002, change: 'SO_PASSCRED is refused on inet sockets since 6.16' },
  { kernel: 6013, criu: 4001, change: 'the vvar mapping is split since 6.13' },
];
/** Of any kernel. */
const oldestCriu = { criu: 3019, change: 'older ones do not know `network-lock skip`, which every dump asks for' };
/** From kernel 6.11 on glibc 2.41 draws random numbers through the vDSO; a CRIU before 4.2 does not know that state. */
const vdsoRandom = { kernel: 6011, criu: 4002 };

/** @param kernel `uname -r` @param criu the `Version:` of `criu --version`, undefined when there is no CRIU */
export function judgeCriuVersion(kernel: string, criu: string | undefined): Finding {
  const kernelVersion = parseVersion(kernel) ?? 0;
  const needed = criuByKernel.find((row) => kernelVersion >= row.kernel) ?? oldestCriu;
  const atLeast = `${Math.floor(needed.criu / 1000)}.${needed.criu % 1000}`;
  const condition: Condition = {
    id: 'criu_version',
    title: 'CRIU for this kernel',
    cost: 'no checkpoint and no restore: Thaw has nothing to hand out',
    fix: `Run deploy/host/setup.sh: it brings CRIU ${atLeast} or newer, beside the host's own where that is older.`,
  };
  if (criu === undefined) return fail(condition, `no CRIU; kernel ${kernel} needs ${atLeast} or newer`);
  const criuVersion = parseVersion(criu) ?? 0;
  const found = `CRIU ${criu} on kernel ${kernel}`;
  if (criuVersion < needed.criu) return fail(condition, `${found}, which needs ${atLeast} or newer (${needed.change})`);
  if (kernelVersion >= vdsoRandom.kernel && criuVersion < vdsoRandom.criu) {
    const cost = 'clones of an image with glibc 2.41 or newer may share the state of their random numbers';
    return warn({ ...condition, cost, fix: 'Run deploy/host/setup.sh: it brings CRIU 4.2 or newer.' }, found);
  }
  return pass(condition, found);
}

/** Answers undefined for a program that says no version. */
export function parseCriuVersion(output: string): string | undefined {
  return /^Version:\s*(\S+)/m.exec(output)?.[1];
}

async function readCriuVersion(criu: string): Promise<string | undefined> {
  const { stdout } = await run([criu, '--version'], { timeoutMs }).catch(() => ({ stdout: '' }));
  return parseCriuVersion(stdout);
}

interface CriuCheck {
  readonly exitCode: number;
  readonly output: string;
}

async function runCriuCheck(criu: string): Promise<CriuCheck> {
  try {
    const { exitCode, stdout, stderr } = await run([criu, 'check'], { timeoutMs, okCodes: [1] });
    return { exitCode, output: stdout + stderr };
  } catch (error) {
    return { exitCode: -1, output: messageOf(error) };
  }
}

export function judgeCriuCheck(criu: string, { exitCode, output }: CriuCheck): Finding {
  const condition: Condition = {
    id: 'criu_check',
    title: 'criu check',
    cost: 'CRIU misses something of the kernel that dumps and restores need',
    fix: `Run \`${criu} check\`: each line names a kernel option, a capability or a limit of this machine.`,
  };
  const complaints = output.split('\n').filter((line) => /Error|Warn/.test(line));
  if (exitCode !== 0)
    return fail(condition, complaints.slice(-3).join('; ').trim() || output.trim().slice(-300) || `exit code ${exitCode}`);
  return complaints.length > 0 ? warn(condition, complaints.slice(-3).join('; ')) : pass(condition, output.trim().split('\n').at(-1) ?? '');
}

const tmpfsMagic = 0x01021994;

export function judgeKdat(runFilesystemType: number | undefined): Finding {
  const condition: Condition = {
    id: 'criu_kdat',
    title: 'CRIU kernel cache',
    cost: 'a CRIU that sees the plain /run probes the kernel anew each time, about 30 ms; the worker escapes that by a tmpfs of its own on /run',
    fix: 'Mount a tmpfs on /run at boot (every systemd distribution does).',
  };
  return runFilesystemType === tmpfsMagic
    ? pass(condition, '/run is a tmpfs')
    : warn(condition, '/run is not a tmpfs, so /run/criu.kdat is not kept');
}
