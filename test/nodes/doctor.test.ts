import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { findCriu } from '#src/engine/criu/find-criu.ts';
import { judgeCgroupMode, judgeControllers, readCgroupMounts, tryGroup } from '#src/nodes/doctor/cgroups.ts';
import { judgeCriuCheck, judgeCriuVersion, judgeKdat, parseCriuVersion } from '#src/nodes/doctor/criu.ts';
import { checkHardConditions, runDoctor } from '#src/nodes/doctor/doctor.ts';
import { formatFindings } from '#src/nodes/doctor/finding.ts';
import { judgeClock, judgeKernelByBehaviour, judgeKernelConfig, judgeUserNamespaces } from '#src/nodes/doctor/kernel.ts';
import { judgeHugePages, judgeKsm, judgeMemory, judgeOvercommit } from '#src/nodes/doctor/memory.ts';
import { judgeBridgeFilter, judgeForwarding, parseForwardDrops } from '#src/nodes/doctor/network.ts';
import { judgeCapabilities, judgeRoot } from '#src/nodes/doctor/privileges.ts';
import { judgeDurability, judgeRedisVersion, parseRedisVersion } from '#src/nodes/doctor/redis.ts';
import { judgeDisk, judgeOverlay } from '#src/nodes/doctor/storage.ts';
import { judgeNode, judgePrograms, judgeRunc } from '#src/nodes/doctor/tools.ts';
import { parseConfig } from '#src/platform/config.ts';

const gigabyte = 1024 ** 3;
const config = parseConfig({ THAW_DATA_DIR: `${tmpdir()}/thaw-doctor-test`, THAW_PORT: '0' });

test('this machine has no hard condition unmet, and every finding says what it costs and what to do', async () => {
  const findings = await runDoctor({ config, findCriu });
  expect(findings.filter(({ status }) => status === 'fail')).toEqual([]);
  expect(new Set(findings.map(({ id }) => id)).size).toBe(findings.length);
  for (const finding of findings) expect(Object.values(finding).every((text) => text.length > 0)).toBe(true);
});

test('a machine without CRIU is stopped by that one condition, told with its fix', async () => {
  const missing = await checkHardConditions({ config, findCriu: () => undefined });
  expect(missing.map(({ id }) => id)).toEqual(['criu_version']);
  expect(formatFindings(missing)).toMatch(/^FAIL .*no CRIU.*\n +costs: .*\n +fix: +Run deploy\/host\/setup.sh/);
});

test('the memory engine asks nothing of the machine but Node, Redis and a port', async () => {
  const findings = await runDoctor({ config: { ...config, engine: 'memory' }, findCriu: () => undefined });
  expect(findings.map(({ id }) => id)).toEqual(['node', 'redis', 'redis_durability', 'port']);
});

test.each([
  ['6.18.44', '4.2.1', 'pass'],
  ['6.18.44', '4.1.1', 'fail'],
  ['6.18.44', '3.17.1', 'fail'],
  ['6.16.0-rc1', '4.1', 'fail'],
  ['6.14.2-arch1', '4.1', 'warn'],
  ['6.13.0', '4.0', 'fail'],
  ['6.12.57+deb13-amd64', '4.1.1', 'warn'],
  ['6.12.57+deb13-amd64', '4.2', 'pass'],
  ['6.1.0-40-amd64', '3.19', 'pass'],
  ['6.1.0-40-amd64', '3.17.1', 'fail'],
  ['5.10.0-28-amd64', '3.15', 'fail'],
  ['6.1.0-40-amd64', undefined, 'fail'],
])('on kernel %s CRIU %s is a %s', (kernel, criu, status) => {
  expect(judgeCriuVersion(kernel, criu).status).toBe(status);
});

test("CRIU's version is read from its own words", () => {
  expect(parseCriuVersion('Version: 3.17.1\nGitID: v3.17.1\n')).toBe('3.17.1');
  expect(parseCriuVersion('criu: not found')).toBeUndefined();
});

test('what criu check complains about is told', () => {
  const output = 'Error (criu/cr-check.c:1346): UFFD is not supported\nLooks good but some kernel features are missing\n';
  expect(judgeCriuCheck('/usr/sbin/criu', { exitCode: 0, output })).toMatchObject({
    status: 'warn',
    found: expect.stringContaining('UFFD'),
  });
  expect(judgeCriuCheck('/usr/sbin/criu', { exitCode: 1, output })).toMatchObject({
    status: 'fail',
    found: expect.stringContaining('UFFD'),
  });
  expect(judgeCriuCheck('/usr/sbin/criu', { exitCode: 0, output: 'Looks good.\n' })).toMatchObject({
    status: 'pass',
    found: 'Looks good.',
  });
});

test('the kernel cache of CRIU lasts on a tmpfs only', () => {
  expect(judgeKdat(0x01021994).status).toBe('pass');
  expect(judgeKdat(0xef53).status).toBe('warn');
});

test('each missing kernel option is named, and a module counts as there', () => {
  const names =
    'CHECKPOINT_RESTORE NAMESPACES UTS_NS IPC_NS PID_NS NET_NS SECCOMP_FILTER CGROUPS MEMCG CGROUP_PIDS OVERLAY_FS TMPFS VETH BRIDGE NF_TABLES NF_TABLES_INET NF_TABLES_BRIDGE NFT_CT NFT_NAT NFT_MASQ UNIX_DIAG INET_DIAG';
  const text = (missing: string) =>
    names.split(' ').map((name) => (name === missing ? `# CONFIG_${name} is not set` : `CONFIG_${name}=${name === 'VETH' ? 'm' : 'y'}`));
  expect(judgeKernelConfig(text('').join('\n')).status).toBe('pass');
  expect(judgeKernelConfig(text('CHECKPOINT_RESTORE').join('\n'))).toMatchObject({
    status: 'fail',
    found: 'without CONFIG_CHECKPOINT_RESTORE',
  });
});

test('a kernel that hides its configuration is judged by what it shows', () => {
  const kernel = {
    filesystems: 'nodev\ttmpfs\n\text4',
    namespaces: ['uts', 'ipc', 'pid', 'net', 'mnt'],
    hasNsLastPid: true,
    seccompActions: 'kill_process errno allow',
  };
  expect(judgeKernelByBehaviour(kernel).status).toBe('pass');
  expect(judgeKernelByBehaviour({ ...kernel, hasNsLastPid: false, namespaces: ['mnt', 'net'] })).toMatchObject({
    status: 'fail',
    found: 'without checkpoint/restore (CONFIG_CHECKPOINT_RESTORE), uts namespaces, ipc namespaces, pid namespaces',
  });
});

test('user namespaces that are switched off and a clock in the past are warned of', () => {
  expect(judgeUserNamespaces('0').status).toBe('warn');
  expect(judgeUserNamespaces('127415').status).toBe('pass');
  expect(judgeClock(new Date('1970-01-01'), 'tsc').status).toBe('warn');
  expect(judgeClock(new Date('2027-01-01'), 'hpet').status).toBe('warn');
});

const v2Only = '29 22 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot';
const hybrid = [
  '30 22 0:27 / /sys/fs/cgroup/memory rw,nosuid shared:10 - cgroup cgroup rw,memory',
  '31 22 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:11 - cgroup cgroup rw,cpu,cpuacct',
  '32 22 0:29 / /sys/fs/cgroup/unified rw,nosuid shared:12 - cgroup2 cgroup2 rw',
].join('\n');

test('cgroup version 2 passes, hybrid is warned of, none fails', () => {
  expect(judgeCgroupMode(readCgroupMounts(v2Only))).toMatchObject({ status: 'pass', found: 'v2' });
  expect(judgeCgroupMode(readCgroupMounts(hybrid))).toMatchObject({
    status: 'warn',
    found: 'hybrid: 2 version 1 hierarchies beside version 2',
  });
  expect(judgeCgroupMode(readCgroupMounts('22 1 0:20 / /proc rw - proc proc rw')).status).toBe('fail');
});

test('controllers that are missing or not ours to write are hard', () => {
  const unified = readCgroupMounts(v2Only);
  expect(judgeControllers(unified, 'cpuset cpu io memory pids', []).status).toBe('pass');
  expect(judgeControllers(unified, 'cpuset cpu io pids', [])).toMatchObject({ status: 'fail', found: 'without memory' });
  expect(judgeControllers(unified, 'cpu memory pids', ['/sys/fs/cgroup refuses'])).toMatchObject({
    status: 'fail',
    found: '/sys/fs/cgroup refuses',
  });
  expect(judgeControllers(readCgroupMounts(hybrid), '', [])).toMatchObject({ status: 'fail', found: 'without pids, freezer, devices' });
});

test('a cgroup that can not hand its controllers down is told, although root may write to it', async () => {
  const root = readCgroupMounts().find(({ version }) => version === 2)?.mountPoint ?? expect.fail('no cgroup version 2 here');
  const [controller = 'memory'] = (await readFile(join(root, 'cgroup.controllers'), 'utf8')).trim().split(' ');
  const subtree = join(root, 'cgroup.subtree_control');
  const wasHandedDown = (await readFile(subtree, 'utf8')).includes(controller);
  const group = await mkdtemp(join(root, 'thaw-doctor-test-'));
  const sleeper = spawn('sleep', ['1000'], { stdio: 'ignore' });
  try {
    await writeFile(subtree, `+${controller}`);
    expect(await tryGroup(group, controller)).toBeUndefined();
    await writeFile(join(group, 'cgroup.subtree_control'), `-${controller}`);
    await writeFile(join(group, 'cgroup.procs'), String(sleeper.pid));
    expect(await tryGroup(group, controller)).toBe(`${group} can not hand ${controller} down, for processes sit in it`);
    expect(await readdir(group)).not.toContainEqual(expect.stringContaining('thaw-doctor-'));
    expect(await tryGroup('/proc')).toMatch(/^\/proc refuses \(/);
  } finally {
    sleeper.kill('SIGKILL');
    await once(sleeper, 'exit');
    await vi.waitFor(() => rmdir(group));
    if (!wasHandedDown) await writeFile(subtree, `-${controller}`);
  }
});

test('a file system that can not carry an overlay is hard, and what mount said is told', () => {
  expect(judgeOverlay('/var/lib/thaw', "mount: unknown filesystem type 'overlay'")).toMatchObject({
    status: 'fail',
    found: "a trial mount on /var/lib/thaw failed: mount: unknown filesystem type 'overlay'",
  });
});

test('little disk or memory is warned of, so that a full machine can still be emptied; a disk without space is hard', () => {
  expect(judgeDisk('/d', 80 * gigabyte, 2 * gigabyte).status).toBe('pass');
  expect(judgeDisk('/d', gigabyte, 2 * gigabyte).status).toBe('warn');
  expect(judgeDisk('/d', 1024, 2 * gigabyte).status).toBe('fail');
  expect(judgeMemory('MemTotal: 16000000 kB\nMemAvailable:   12000000 kB', gigabyte).status).toBe('pass');
  expect(judgeMemory('MemAvailable: 800000 kB', gigabyte)).toMatchObject({
    status: 'warn',
    found: '0.8 GB available, 1.0 GB kept in reserve',
  });
});

test('merging, huge pages and strict overcommit are told with their costs, never as failures', () => {
  expect(judgeKsm('6.18.0', '1').status).toBe('pass');
  expect(judgeKsm('6.18.0', '0')).toMatchObject({ status: 'warn', fix: expect.stringContaining('time each other') });
  expect(judgeKsm('6.1.0-40-amd64', '1').status).toBe('warn');
  expect(judgeKsm('6.18.0', undefined).status).toBe('warn');
  expect(judgeHugePages('[always] madvise never').status).toBe('pass');
  expect(judgeHugePages('always madvise [never]')).toMatchObject({ status: 'warn', found: 'never' });
  expect(judgeOvercommit('2').status).toBe('warn');
  expect(judgeOvercommit('0').status).toBe('pass');
});

test('an ordinary user is stopped; root without CAP_SYS_RESOURCE or CAP_SYS_NICE is only warned', () => {
  expect(judgeRoot('Uid:\t1000\t1000\t1000\t1000').status).toBe('fail');
  expect(judgeRoot('Uid:\t0\t0\t0\t0').status).toBe('pass');
  const statuses = (capabilities: string) => judgeCapabilities(`CapEff:\t${capabilities}`).map(({ status }) => status);
  expect(statuses('000001ffffffffff')).toEqual(['pass', 'pass', 'pass']);
  expect(statuses('000001fffeffffff')).toEqual(['pass', 'pass', 'warn']);
  expect(statuses('000001ffff7fffff')).toEqual(['pass', 'warn', 'pass']);
  expect(statuses('00000000a80425fb')).toEqual(['fail', 'warn', 'warn']);
});

test('a foreign Redis that does not fsync every write, or evicts, is warned of', () => {
  expect(judgeDurability('embedded').status).toBe('pass');
  expect(judgeDurability('foreign', { appendonly: 'yes', appendfsync: 'always', maxmemoryPolicy: 'noeviction' }).status).toBe('pass');
  expect(judgeDurability('foreign', { appendonly: 'yes', appendfsync: 'everysec', maxmemoryPolicy: 'noeviction' }).status).toBe('warn');
  expect(judgeDurability('foreign', { appendonly: 'yes', appendfsync: 'always', maxmemoryPolicy: 'allkeys-lru' }).status).toBe('warn');
  expect(judgeDurability('foreign')).toMatchObject({ status: 'warn', found: expect.stringContaining('CONFIG is refused') });
});

test('a Redis that is missing, silent or too old is hard', () => {
  expect(judgeRedisVersion(undefined, undefined).status).toBe('fail');
  expect(judgeRedisVersion('10.0.0.5:6379', undefined)).toMatchObject({ status: 'fail', found: '10.0.0.5:6379 does not answer' });
  expect(judgeRedisVersion('10.0.0.5:6379', '6.0.16').status).toBe('fail');
  expect(
    judgeRedisVersion(
      '10.0.0.5:6379',
      parseRedisVersion('# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n'),
    ),
  ).toMatchObject({
    status: 'pass',
  });
});

test('a Redis at REDIS_URL that does not answer is named without its password', async () => {
  const findings = await runDoctor({ config: { ...config, engine: 'memory', redisUrl: 'redis://user:secret@127.0.0.1:1' }, findCriu });
  expect(findings.find(({ id }) => id === 'redis')).toMatchObject({ status: 'fail', found: '127.0.0.1:1 does not answer' });
  expect(JSON.stringify(findings)).not.toContain('secret');
});

test('programs without which nothing works are hard; those for images and merging are not', () => {
  const statuses = (missing: string) => judgePrograms((name) => name !== missing).map(({ id, status }) => `${id} ${status}`);
  expect(statuses('none')).toEqual(['programs pass']);
  expect(statuses('conmon')).toContain('program_conmon fail');
  for (const name of ['hostname', 'mkfifo', 'setpriv']) expect(statuses(name)).toContain(`program_${name} fail`);
  expect(statuses('skopeo')).toContain('program_skopeo warn');
  expect(statuses('perl')).toContain('program_perl warn');
});

test('an old runc or Node is hard', () => {
  expect(judgeRunc('runc version 1.3.6\ncommit: v1.3.6').status).toBe('pass');
  expect(judgeRunc('runc version 1.0.0-rc93').status).toBe('fail');
  expect(judgeRunc(undefined).status).toBe('fail');
  expect(judgeNode('v20.19.2').status).toBe('fail');
  expect(judgeNode('v24.1.0').status).toBe('pass');
});

test("Docker's forward policy is warned of, Thaw's own is not", () => {
  const chain = (table: string, policy: string) => ({
    chain: { family: 'ip', table, name: 'FORWARD', handle: 1, type: 'filter', hook: 'forward', prio: 0, policy },
  });
  const listing = (...chains: unknown[]) =>
    JSON.stringify({ nftables: [{ metainfo: { version: '1.0.6', json_schema_version: 1 } }, ...chains] });
  expect(parseForwardDrops(listing(chain('filter', 'drop'), chain('thaw-a1b2c3', 'drop'), chain('other', 'accept')))).toEqual([
    'ip filter FORWARD',
  ]);
  expect(judgeForwarding(['ip filter FORWARD']).status).toBe('warn');
  expect(judgeForwarding([]).status).toBe('pass');
  expect(judgeBridgeFilter('1').status).toBe('warn');
  expect(judgeBridgeFilter(undefined).status).toBe('pass');
});
