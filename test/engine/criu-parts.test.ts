import { describe, expect, it } from 'vitest';
import { cgroupPathsForRunc, detectCgroupHost } from '#src/engine/criu/cgroup-host.ts';
import { cpuQuotaUs } from '#src/engine/criu/cgroups.ts';
import { cgroupPrefix } from '#src/engine/criu/checkpoint-instance.ts';
import { explainDumpFailure, explainRestoreFailure } from '#src/engine/criu/criu-failures.ts';
import { hasSysResource } from '#src/engine/criu/host-facts.ts';
import { readMemoryInfo } from '#src/engine/criu/node-reserve.ts';
import { capabilities } from '#src/engine/criu/oci-spec.ts';
import { fillScript, parkScript } from '#src/engine/criu/restore-command.ts';
import { cloneState, generalise, specialise } from '#src/engine/criu/runc-state.ts';
import { loadSeccompProfile } from '#src/engine/criu/seccomp-profile.ts';
import { parseConfig } from '#src/platform/config.ts';
import { newInstanceId } from '#src/platform/ids.ts';
import { readMounts } from '#src/platform/mountinfo.ts';

const hybrid = `30 24 0:27 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs rw,mode=755
31 30 0:28 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
32 30 0:29 / /sys/fs/cgroup/systemd rw,nosuid - cgroup cgroup rw,xattr,name=systemd
33 30 0:30 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
34 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct`;
const unified = '30 24 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot';

describe('cgroups', () => {
  it('a host with only the unified hierarchy is v2', () => {
    expect(detectCgroupHost(readMounts(unified))).toEqual({
      version: 'v2',
      hierarchies: [{ names: [''], mount: '/sys/fs/cgroup', version: 2 }],
    });
  });

  it('a hybrid host, whose limits are enforced by version 1, is v1', () => {
    const host = detectCgroupHost(readMounts(hybrid));
    expect(host.version).toBe('v1');
    expect(cgroupPathsForRunc({ host, path: '/thaw-1/ins' })).toEqual({
      '': '/sys/fs/cgroup/unified/thaw-1/ins',
      'name=systemd': '/sys/fs/cgroup/systemd/thaw-1/ins',
      memory: '/sys/fs/cgroup/memory/thaw-1/ins',
      cpu: '/sys/fs/cgroup/cpu,cpuacct/thaw-1/ins',
      cpuacct: '/sys/fs/cgroup/cpu,cpuacct/thaw-1/ins',
    });
  });

  it('the unified hierarchy counts once, where it was mounted first', () => {
    const again = '90 24 0:27 / /run/cilium/cgroupv2 rw - cgroup2 none rw,nsdelegate';
    expect(detectCgroupHost(readMounts(`${unified}\n${again}`))).toEqual(detectCgroupHost(readMounts(unified)));
    const ofDump = '91 24 0:30 / /var/lib/thaw/instances/ins/criu/.criu.cgyard.x/memory rw - cgroup none rw,memory';
    expect(detectCgroupHost(readMounts(`${hybrid}\n${ofDump}`))).toEqual(detectCgroupHost(readMounts(hybrid)));
  });

  it('a dump enters the cgroup namespace of the app on v1 only: under nsdelegate it could not freeze the app from there', () => {
    const primer = { process: { pid: 20, startTicks: 7 } };
    expect(cgroupPrefix({ version: 'v1' }, primer)).toEqual(['nsenter', '--cgroup=/proc/20/ns/cgroup']);
    expect(cgroupPrefix({ version: 'v2' }, primer)).toEqual([]);
  });

  it('a cpu quota is never below what the kernel takes', () => {
    expect([cpuQuotaUs(2), cpuQuotaUs(0.5), cpuQuotaUs(0.001)]).toEqual([200_000, 50_000, 1000]);
  });
});

describe('the seccomp profile', () => {
  it('answers ENOSYS to io_uring and allows it nowhere', () => {
    const { syscalls, defaultAction } = loadSeccompProfile(capabilities);
    const uring = syscalls.filter(({ names }) => names.some((name) => name.startsWith('io_uring')));
    expect(uring).toEqual([{ names: ['io_uring_setup', 'io_uring_enter', 'io_uring_register'], action: 'SCMP_ACT_ERRNO', errnoRet: 38 }]);
    expect(defaultAction).toBe('SCMP_ACT_ERRNO');
  });

  it('allows what everyone needs, and what a capability opens only with it', () => {
    const allowed = (caps: string[]) =>
      loadSeccompProfile(caps).syscalls.flatMap(({ names, action }) => (action === 'SCMP_ACT_ALLOW' ? names : []));
    expect(allowed(capabilities)).toEqual(expect.arrayContaining(['read', 'execve', 'epoll_wait', 'futex']));
    expect(allowed(capabilities)).not.toContain('open_by_handle_at');
    expect(allowed(['CAP_DAC_READ_SEARCH'])).toContain('open_by_handle_at');
  });
});

describe('the restore command', () => {
  const command = {
    criu: '/opt/thaw/criu/criu',
    imageDirectory: "/data/it's/image",
    workDirectory: '/data/i/criu',
    rootfs: '/data/i/rootfs',
    pidFile: '/data/i/pid',
    netnsPath: '/run/netns/a',
    nullDevice: '/data/i/null',
    externalMounts: [{ destination: '/run/thaw', source: '/data/run/i' }],
    descriptors: ['/dev/null', 'pipe:[11]', 'pipe:[12]'],
    runDirectory: undefined,
  };

  it('joins the cgroups while it waits, and enters the cgroup namespace before CRIU', () => {
    const park = parkScript('/data/i/gate', '/data/i/null', ['/sys/fs/cgroup/memory/thaw/i']);
    expect(park.split('\n')).toEqual([
      'set -e',
      "mkfifo -m 600 '/data/i/gate'",
      "mknod -m 666 '/data/i/null' c 1 3",
      "echo $$ > '/sys/fs/cgroup/memory/thaw/i/cgroup.procs'",
      ". '/data/i/gate'",
    ]);
    const fill = fillScript(command);
    const order = ["exec 7< '/run/netns/a'", 'exec unshare -C', "'restore'"].map((part) => fill.indexOf(part));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order).not.toContain(-1);
  });

  it('hands pipes over and leaves /dev/null to CRIU; quotes survive a shell', () => {
    const script = fillScript(command);
    expect(script).toContain("'fd[1]:pipe:[11]'");
    expect(script).not.toContain('fd[0]');
    expect(script).toContain("'/data/it'\\''s/image'");
  });

  it('shows CRIU a tmpfs as /run only where the host has none', () => {
    expect(fillScript(command)).not.toContain('mount --bind');
    expect(fillScript({ ...command, runDirectory: '/data/run/criu' })).toContain("mount --bind '\\''/data/run/criu'\\'' /run");
  });
});

describe("runc's state of a clone", () => {
  it('carries no name of its primer', () => {
    const [primer, clone] = [newInstanceId(), newInstanceId()];
    const { paths, tag } = parseConfig({ THAW_DATA_DIR: '/srv/one' });
    const other = parseConfig({ THAW_DATA_DIR: '/srv/two' });
    const state = JSON.stringify({
      id: primer,
      init_process_pid: 10,
      namespace_paths: { NEWNET: '/proc/10/ns/net', NEWPID: '/proc/10/ns/pid' },
      config: { rootfs: `/srv/one/instances/${primer}/rootfs`, cgroups: { path: `/thaw-${tag}/${primer}` } },
    });
    const general = generalise(state, { id: primer, tag, paths });
    const text = cloneState(
      specialise(general, { id: clone, tag: other.tag, paths: other.paths }),
      clone,
      { pid: 20, startTicks: 7 },
      { memory: '/m' },
    );
    expect(text).not.toContain(primer);
    expect(JSON.parse(text)).toEqual({
      id: clone,
      init_process_pid: 20,
      init_process_start: 7,
      cgroup_paths: { memory: '/m' },
      namespace_paths: { NEWNET: '/proc/20/ns/net', NEWPID: '/proc/20/ns/pid' },
      config: { rootfs: `/srv/two/instances/${clone}/rootfs`, cgroups: { path: `/thaw-${other.tag}/${clone}` } },
    });
  });
});

describe("CRIU's log", () => {
  // Lines as CRIU 4.2 writes them.
  it.each([
    [
      "(00.1) Error (criu/files-ext.c:98): Can't dump file 5 of that type [20600] (anon_inode:[io_uring])",
      'checkpoint_unsupported',
      /io_uring/,
    ],
    ["(00.1) Error (criu/cr-dump.c:2) : Can't get rlimit 0", 'checkpoint_unsupported', /several users/],
    ['(00.1) Error (criu/sk-inet.c:191): inet: In-flight connection (l) for 5', 'checkpoint_failed', /half open/],
    [
      "(00.1) Error (criu/files-reg.c:12): Can't dump ghost file /tmp/x of 73400320 size, increase limit",
      'checkpoint_unsupported',
      /deleted file/,
    ],
    ['(00.1) Error (criu/image.c:1): Unable to write: No space left on device', 'disk_reserve', /disk is full/],
    ['(00.1) Error (criu/new.c:1): something nobody has seen', 'checkpoint_failed', /something nobody has seen/],
    ['(00.1) Error (criu/seize.c:226): Unable to freeze tasks: Operation not permitted', 'checkpoint_failed', /Unable to freeze tasks/],
    ['', 'checkpoint_failed', /no reason/],
  ])('of a dump: %s', (log, code, cause) => {
    const failure = explainDumpFailure(log);
    expect(failure.code).toBe(code);
    expect(failure.cause).toMatch(cause);
    expect(failure.fix).not.toBe('');
  });

  it('of a restore: an app that listens on its own address is told to listen on all', () => {
    const failure = explainRestoreFailure(
      "(00.1) Error (criu/sk-inet.c:1): inet: Can't bind inet socket (id 5): Cannot assign requested address",
    );
    expect(failure).toMatchObject({ code: 'checkpoint_unsupported', fix: expect.stringContaining('0.0.0.0') });
  });
});

describe('the host', () => {
  it('CAP_SYS_RESOURCE is bit 24 of the effective set', () => {
    expect([hasSysResource('CapEff:\t000001fffeffffff\n'), hasSysResource('CapEff:\t000001ffffffffff\n')]).toEqual([false, true]);
  });

  it('memory is read in bytes', () => {
    expect(readMemoryInfo('MemTotal:  2048 kB\nMemAvailable:  1024 kB\n')).toEqual({ totalBytes: 2_097_152, availableBytes: 1_048_576 });
  });
});
