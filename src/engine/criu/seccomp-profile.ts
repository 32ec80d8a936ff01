import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** The default profile of podman, CRI-O and skopeo, kept up to date by the distribution (Debian: golang-github-containers-common). */
const profileFile = '/usr/share/containers/seccomp.json';

const Condition = z.object({
  caps: z.array(z.string()).optional(),
  arches: z.array(z.string()).optional(),
  minKernel: z.string().optional(),
});

const Profile = z.object({
  defaultAction: z.string(),
  defaultErrnoRet: z.number().optional(),
  archMap: z.array(z.object({ architecture: z.string(), subArchitectures: z.array(z.string()).nullish() })),
  syscalls: z.array(
    z.object({
      names: z.array(z.string()),
      action: z.string(),
      errnoRet: z.number().optional(),
      args: z.array(z.object({ index: z.number(), value: z.number(), valueTwo: z.number().default(0), op: z.string() })).nullish(),
      includes: Condition.optional(),
      excludes: Condition.optional(),
    }),
  ),
});

export interface OciSeccomp {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly { names: readonly string[]; action: string; errnoRet?: number; args?: readonly object[] }[];
}

/** Cannot be checkpointed (`anon_inode:[io_uring]`); told ENOSYS, libuv and others fall back to epoll by themselves. */
const uncheckpointable = ['io_uring_setup', 'io_uring_enter', 'io_uring_register'];
const enosys = 38;
const eperm = 1;

/**
 * podman's profile leaves these to the kernel, for containers that make containers. An instance whose root may make a user namespace
 * has every capability in it, and can mount the cgroup hierarchies and lift its own limits.
 */
const namespaceCalls = [
  'unshare',
  'setns',
  'mount',
  'umount',
  'umount2',
  'pivot_root',
  'fsopen',
  'fsconfig',
  'fsmount',
  'fspick',
  'move_mount',
  'open_tree',
  'mount_setattr',
];
/** CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET and NEWNS. */
const cloneNamespaceFlags = 0x7e020000;
const afVsock = 40;
const netlinkAudit = 9;

/** Rules of ours, in place of what the profile says of the same calls. */
const ownRules = [
  { names: uncheckpointable, action: 'SCMP_ACT_ERRNO', errnoRet: enosys },
  { names: namespaceCalls, action: 'SCMP_ACT_ERRNO', errnoRet: eperm },
  { names: ['clone'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: cloneNamespaceFlags, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }] },
  { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: enosys }, // its flags lie in memory, where seccomp does not look; libc falls back to clone
  {
    names: ['socket'], // vsock is in no network namespace: it would pass every firewall towards the hypervisor
    action: 'SCMP_ACT_ALLOW',
    args: [
      { index: 0, value: afVsock, valueTwo: 0, op: 'SCMP_CMP_NE' },
      { index: 2, value: netlinkAudit, valueTwo: 0, op: 'SCMP_CMP_NE' },
    ],
  },
];
const ownNames = new Set(ownRules.flatMap(({ names }) => names));

/** The profile as an OCI spec wants it: conditions on capabilities and architecture resolved, our own rules in it. */
export function loadSeccompProfile(
  capabilities: readonly string[],
  arch = process.arch,
  text = readFileSync(profileFile, 'utf8'),
): OciSeccomp {
  const profile = Profile.parse(JSON.parse(text));
  const native = arch === 'arm64' ? { oci: 'SCMP_ARCH_AARCH64', go: 'arm64' } : { oci: 'SCMP_ARCH_X86_64', go: 'amd64' };
  const entry = profile.archMap.find(({ architecture }) => architecture === native.oci);
  const holds = (condition: z.infer<typeof Condition> | undefined) =>
    (condition?.caps === undefined || condition.caps.every((cap) => capabilities.includes(cap))) &&
    (condition?.arches === undefined || condition.arches.includes(native.go));
  const excluded = (condition: z.infer<typeof Condition> | undefined) =>
    condition?.caps?.some((cap) => capabilities.includes(cap)) === true || condition?.arches?.includes(native.go) === true;

  const syscalls = profile.syscalls
    .filter(({ includes, excludes }) => holds(includes) && !excluded(excludes))
    .map(({ names, action, errnoRet, args }) => ({
      names: names.filter((name) => !ownNames.has(name)),
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args?.length ? { args } : {}),
    }))
    .filter(({ names }) => names.length > 0);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: [native.oci, ...(entry?.subArchitectures ?? [])],
    syscalls: [...syscalls, ...ownRules],
  };
}
