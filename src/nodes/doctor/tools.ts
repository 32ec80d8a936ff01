import { accessSync, constants } from 'node:fs';
import { findProgram } from '#src/platform/find-program.ts';
import { run } from '#src/platform/subprocess.ts';
import { type Condition, type Finding, fail, pass, warn } from './finding.ts';
import { parseVersion } from './version.ts';

export async function checkTools(): Promise<Finding[]> {
  return [judgeRunc(await readRuncVersion()), ...judgePrograms((name) => findProgram(name) !== undefined), checkSeccompProfile()];
}

/** @param version the text of `runc --version`, undefined when there is no runc */
export function judgeRunc(version: string | undefined): Finding {
  const condition: Condition = {
    id: 'runc',
    title: 'runc',
    cost: 'no container can be started or checkpointed; crun is no replacement (it refuses hybrid cgroups and needs its own libcriu)',
    fix: 'Install runc 1.1 or newer (deploy/host/setup.sh does).',
  };
  if (version === undefined) return fail(condition, 'not installed');
  const found = version.split('\n')[0]?.replace('runc version ', '') ?? '';
  return (parseVersion(found) ?? 0) < 1001 ? fail(condition, `${found}, 1.1 is the oldest that works`) : pass(condition, found);
}

interface Program {
  readonly name: string;
  readonly package: string;
  readonly cost: string;
}

const neededPrograms: readonly Program[] = [
  { name: 'conmon', package: 'conmon', cost: 'no one keeps the output of an instance or notices its end' },
  { name: 'ip', package: 'iproute2', cost: 'instances get no network' },
  { name: 'bridge', package: 'iproute2', cost: 'instances can not be kept from each other' },
  { name: 'nft', package: 'nftables', cost: 'instances can not be kept from each other and from the host' },
  { name: 'flock', package: 'util-linux', cost: 'the embedded Redis can not be locked against a second one' },
  { name: 'unshare', package: 'util-linux', cost: 'a restored clone would keep the cgroup namespace of the host' },
  { name: 'nsenter', package: 'util-linux', cost: 'a clone would keep the host name of its primer' },
  { name: 'hostname', package: 'hostname', cost: 'no clone can be restored: it would keep the host name of its primer' },
  { name: 'mkfifo', package: 'coreutils', cost: 'no clone can be restored: it could not be prepared ahead and let go at the right moment' },
  { name: 'setpriv', package: 'util-linux', cost: 'apps that do not run as root can not be checkpointed without CAP_SYS_RESOURCE' },
  { name: 'mount', package: 'mount', cost: 'instances get no root file system' },
  { name: 'umount', package: 'mount', cost: 'what an instance leaves behind can not be removed' },
  { name: 'tar', package: 'tar', cost: 'CRIU can not keep the contents of a tmpfs' },
];

const usefulPrograms: readonly Program[] = [
  { name: 'skopeo', package: 'skopeo', cost: 'images of a registry or an archive can not be fetched; dir: works' },
  { name: 'umoci', package: 'umoci', cost: 'images of a registry or an archive can not be unpacked; dir: works' },
  { name: 'perl', package: 'perl-base', cost: 'templates with shareMemory can not be started' },
];

/** One finding for all that is there, and one for each that is not. */
export function judgePrograms(isThere: (name: string) => boolean): Finding[] {
  const lacking = (programs: readonly Program[]) => programs.filter(({ name }) => !isThere(name));
  const missing = [
    ...lacking(neededPrograms).map((program) => fail(programCondition(program), 'not installed')),
    ...lacking(usefulPrograms).map((program) => warn(programCondition(program), 'not installed')),
  ];
  const there = [...neededPrograms, ...usefulPrograms].map(({ name }) => name).filter(isThere);
  const all: Condition = {
    id: 'programs',
    title: 'Programs',
    cost: 'each missing one is listed by itself',
    fix: 'Run deploy/host/setup.sh.',
  };
  return [...missing, pass(all, there.join(', '))];
}

function programCondition({ name, package: packageName, cost }: Program): Condition {
  return { id: `program_${name}`, title: name, cost, fix: `Install ${packageName} (deploy/host/setup.sh does).` };
}

const seccompProfile = '/usr/share/containers/seccomp.json';

function checkSeccompProfile(): Finding {
  const condition: Condition = {
    id: 'seccomp_profile',
    title: 'Seccomp profile',
    cost: 'instances would run without the default system call filter, so none is started',
    fix: 'Install golang-github-containers-common (Debian) or containers-common (others); skopeo brings it.',
  };
  try {
    accessSync(seccompProfile, constants.R_OK);
    return pass(condition, seccompProfile);
  } catch {
    return fail(condition, `${seccompProfile} is not there`);
  }
}

export function judgeNode(version: string): Finding {
  const condition: Condition = {
    id: 'node',
    title: 'Node',
    cost: 'Thaw is TypeScript that Node runs as it is; older ones can not',
    fix: 'Start it by `npm run thaw -- …`, which finds the Node 24 that npm ci brought, or install Node 24.',
  };
  return (parseVersion(version) ?? 0) < 24_000 ? fail(condition, version) : pass(condition, version);
}

async function readRuncVersion(): Promise<string | undefined> {
  const runc = findProgram('runc');
  if (runc === undefined) return undefined;
  const { stdout } = await run([runc, '--version'], { timeoutMs: 5000 }).catch(() => ({ stdout: '' }));
  return stdout;
}
