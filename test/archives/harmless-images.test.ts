import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type CriuMount, fileSystems, readMount, writeMount } from '#src/engine/criu/archives/criu-mounts.ts';
import { adaptMounts } from '#src/engine/criu/archives/foreign-mounts.ts';
import { limitThread, requireOwnNamespaces } from '#src/engine/criu/archives/foreign-processes.ts';
import { requireHarmlessImages } from '#src/engine/criu/archives/harmless-images.ts';
import { coveredPaths, requireHarmlessMounts } from '#src/engine/criu/archives/harmless-mounts.ts';
import { requireHarmlessRunc } from '#src/engine/criu/archives/harmless-runc.ts';
import { bytesField, type Field, varintField, writeFields } from '#src/engine/criu/archives/protobuf.ts';
import { harmlessImages, imageOf, runcConfig, runcState } from '#test/support/small-golden.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const [readOnly, noDevices] = [1, 4];
const ownMounts = ['/run/thaw', '/etc/hosts'];

function mount(id: number, parent: number, mountPoint: string, over: Partial<CriuMount> = {}): CriuMount {
  const kind = { fstype: fileSystems.tmpfs, device: 100 + id, root: '/', source: 'tmpfs', options: '', key: undefined };
  return { id, parent, mountPoint, flags: readOnly, ...kind, rest: [varintField(10, 0)], ...over };
}

/** What a clone of ours mounts, in short. */
const root = mount(1, 0, '/', { fstype: 17, flags: noDevices });
const proc = mount(2, 1, '/proc', { fstype: fileSystems.proc, flags: 0 });
const sys = mount(3, 1, '/sys', { fstype: fileSystems.sysfs });
const thaw = mount(4, 1, '/run/thaw', { key: '/run/thaw' });
const covers = coveredPaths().map((path, index) => mount(10 + index, path.startsWith('/proc') ? 2 : 3, path));
const usual = [root, proc, sys, thaw, ...covers];

describe('the mounts of an image', () => {
  it('of clones as ours are let through', () => {
    expect(() => requireHarmlessMounts(usual, ownMounts)).not.toThrow();
  });

  it.each([
    ['a disk of the host', mount(90, 1, '/mnt', { fstype: 16, source: '/dev/sda1' }), 'have to mount from the host (/dev/sda1'],
    ['a directory of the host', mount(90, 1, '/mnt', { key: '/mnt' }), 'which is not in the archive'],
    ['what is ours somewhere else', mount(90, 1, '/mnt', { key: '/run/thaw' }), 'which is not in the archive'],
    ['what is ours to be written', mount(90, 1, '/etc/hosts', { key: '/etc/hosts', flags: 0 }), 'could be written to'],
    ["the host's null device somewhere", mount(90, 1, '/mnt', { key: '/dev/null' }), 'shows the null device'],
    ['the kernel once more', mount(90, 1, '/mnt', { fstype: fileSystems.proc }), 'shows the kernel'],
    [
      'its settings to be written',
      mount(90, 2, '/proc/driver', { fstype: fileSystems.proc, flags: 0, device: proc.device }),
      'shows the kernel',
    ],
    ['devices to be changed', mount(90, 3, '/sys/fs/cgroup', { fstype: fileSystems.cgroup2, flags: 0 }), 'lets the kernel be changed'],
    ['one over another', mount(90, 1, '/proc', { fstype: fileSystems.proc, flags: 0 }), 'is covered by another'],
    ['a part of what another kind shows', mount(90, 1, '/mnt', { device: proc.device }), 'shares a file system'],
    ['a part of what is ours', mount(90, 1, '/mnt', { device: thaw.device }), 'shares a file system'],
    ['one that hangs elsewhere', mount(90, 3, '/mnt'), 'hangs where it should not'],
    ['a name that goes up', mount(90, 1, '/mnt/../../etc'), 'is no place in the container'],
  ])('with %s are refused', (_what, added, said) => {
    expect(() => requireHarmlessMounts([added, ...usual], ownMounts)).toThrow(said);
  });

  it('are refused where devices open, or what must be covered is not', () => {
    expect(() => requireHarmlessMounts([{ ...root, flags: 0 }, ...usual.slice(1)], ownMounts)).toThrow('allows devices');
    expect(() => requireHarmlessMounts(usual.slice(0, -1), ownMounts)).toThrow('of its host within reach');
  });

  it("of another engine lose what is only its own and get what is ours; its /dev/shm becomes the clone's", () => {
    const theirs = [
      mount(60, 1, '/dev/shm', { key: '/dev/shm' }),
      mount(61, 1, '/run/.containerenv', { key: '/run/.containerenv', fstype: 0, device: root.device }),
      mount(62, 1, '/etc/hosts', { key: '/etc/hosts', fstype: 0, device: root.device, flags: 0 }),
    ];
    const { mounts, external, shmDevice } = adaptMounts(
      [...theirs, { ...root, flags: 0 }, proc, { ...sys, flags: 0 }, ...covers],
      ownMounts,
    );
    expect(external).toEqual(['/run/thaw', '/etc/hosts']);
    expect(mounts.find(({ mountPoint }) => mountPoint === '/dev/shm')).toMatchObject({ device: shmDevice, key: undefined });
    expect(mounts.map(({ mountPoint }) => mountPoint)).not.toContain('/run/.containerenv');
    expect(mounts.map((each) => readMount(writeMount(each)))).toMatchObject(mounts);
  });
});

/** A thread as core-1.img has it: seccomp by filter unless told otherwise, all capabilities, privileges to be gained. */
function core(seccomp = 2): Field[] {
  const all = [9, 10, 11, 12, 19].flatMap((set) => [varintField(set, 0xffffffff), varintField(set, 0x1ff)]);
  const credentials = writeFields([varintField(1, 0), ...all, varintField(13, 0), varintField(18, 0)]);
  return [
    varintField(1, process.arch === 'arm64' ? 3 : 1),
    bytesField(5, writeFields([varintField(1, 0), bytesField(10, credentials), varintField(11, seccomp)])),
  ];
}

/** The images of one process; `changed` take the place of, or come to, what every archive has. */
async function imagesWith(directory: string, changed: Readonly<Record<string, readonly Field[][]>>): Promise<void> {
  const usualImages = { 'inventory.img': [[bytesField(3, '')]], ...harmlessImages, 'core-1.img': [limitThread(core())] };
  for (const [name, entries] of Object.entries({ ...usualImages, ...changed })) {
    await writeFile(join(directory, name), imageOf(...entries));
  }
}

async function checkImages(changed: Readonly<Record<string, readonly Field[][]>>): Promise<void> {
  await using directory = await makeTempDir();
  await imagesWith(directory.path, changed);
  requireHarmlessImages(directory.path, ownMounts);
}

/** A core whose message of this number is there a second time, in front, with these fields. */
function withSecond(fields: readonly Field[], number: number, first: readonly Field[]): Field[] {
  return [bytesField(number, writeFields(first)), ...fields];
}

describe('the processes of an image', () => {
  it('keep only the rights that our instances have', async () => {
    await expect(checkImages({ 'core-1.img': [core()] })).rejects.toThrow('more rights than clones have');
    await expect(checkImages({})).resolves.toBeUndefined();
  });

  it('are given none by a message that is there twice, which CRIU puts together', async () => {
    const none = writeFields([18].map((number) => varintField(number, 1)));
    const thread = [varintField(11, 2), bytesField(10, none)];
    const all = [9, 10, 11, 12, 19].map((set) => varintField(set, 0xffffffff));
    const evil = withSecond([varintField(1, process.arch === 'arm64' ? 3 : 1), bytesField(5, writeFields(thread))], 5, [
      bytesField(10, writeFields(all)),
    ]);
    await expect(checkImages({ 'core-1.img': [evil] })).rejects.toThrow('more rights than clones have');
    await expect(checkImages({ 'core-1.img': [limitThread(evil)] })).resolves.toBeUndefined();
  });

  it.each([
    ['the scheduler', 5, [varintField(4, 1), varintField(5, 99)]],
    ['its niceness', 5, [varintField(4, 0), varintField(3, 39)]],
    ['a memory shortage', 3, [varintField(14, 0xffffffff)]],
  ])('take no precedence by %s', async (_what, number, fields) => {
    const evil = withSecond(limitThread(core()), number, fields);
    await expect(checkImages({ 'core-1.img': [evil] })).rejects.toThrow('more rights than clones have');
    await expect(checkImages({ 'core-1.img': [limitThread(evil)] })).resolves.toBeUndefined();
  });

  it('that ended and were not waited for need no rights and no filter', async () => {
    const zombie = [varintField(1, process.arch === 'arm64' ? 3 : 1), bytesField(3, writeFields([varintField(1, 2)]))];
    await expect(checkImages({ 'core-7.img': [zombie] })).resolves.toBeUndefined();
    const alive = [varintField(1, process.arch === 'arm64' ? 3 : 1), bytesField(3, writeFields([varintField(1, 1)]))];
    await expect(checkImages({ 'core-7.img': [alive] })).rejects.toThrow('without a seccomp filter');
  });

  it('live in no namespace of the host, whatever engine the archive is said to be of', async () => {
    const host = (number: number) => writeFields([varintField(number, 20 + number)]);
    for (const number of [5, 6, 7, 8, 9]) {
      const inventory = [[bytesField(3, host(number)), bytesField(3, '')]]; // the second adds nothing, and takes nothing away
      await expect(checkImages({ 'inventory.img': inventory })).rejects.toThrow('namespace of its host');
    }
    await expect(checkImages({ 'netns-26.img': [[]] })).rejects.toThrow('makes a network of its own');
  });

  it.each([
    ['a packet socket', { 'files.img': [[varintField(1, 10)]] }],
    ['a raw socket', { 'files.img': [[varintField(1, 4), bytesField(4, writeFields([varintField(4, 3)]))]] }],
    ['a network device', { 'files.img': [[varintField(1, 15)]] }],
    ['a device that was deleted', { 'ghost-file-1a.img': [[varintField(1, 0), varintField(2, 0), varintField(3, 0o060660)]] }],
  ])('hold %s open in no clone', async (what, changed) => {
    await expect(checkImages(changed)).rejects.toMatchObject({ code: 'archive_unsupported', message: expect.stringContaining(what) });
  });

  it('are refused without a seccomp filter, of another processor, and in a namespace of the host', () => {
    expect(() => limitThread([varintField(1, 7), ...core().slice(1)])).toThrow('another kind');
    expect(() => limitThread(core(0))).toThrow('without a seccomp filter');
    const host = [5, 6, 7, 8, 9, 10].map((number) => varintField(number, number));
    const own = [...[5, 6, 7, 8, 9].map((number) => varintField(number, 20 + number)), varintField(10, 10)];
    expect(requireOwnNamespaces(own, host)).toBe(26);
    for (const [index, name] of ['pid', 'network', 'ipc', 'uts', 'mount'].entries()) {
      expect(() => requireOwnNamespaces([...own, varintField(5 + index, 5 + index)], host)).toThrow(`shares the ${name} namespace`);
    }
    expect(() => requireOwnNamespaces([...own, varintField(10, 30)], host)).toThrow('user namespace');
  });

  it('that are no image of CRIU at all, or too large to be one, are refused by name', async () => {
    await using directory = await makeTempDir();
    await imagesWith(directory.path, {});
    for (const content of [Buffer.alloc(3), Buffer.alloc(40, 0xff), Buffer.from('19435654464355450500000008', 'hex')]) {
      await writeFile(join(directory.path, 'core-1.img'), content);
      expect(() => requireHarmlessImages(directory.path, ownMounts)).toThrow('core-1.img" is no image');
    }
    await writeFile(join(directory.path, 'core-1.img'), Buffer.alloc(5 * 1024 * 1024));
    expect(() => requireHarmlessImages(directory.path, ownMounts)).toThrow('bytes for an image of its kind');
  });
});

describe("runc's files of an archive", () => {
  const check = async (config: unknown, state: unknown) => {
    await using directory = await makeTempDir();
    const files = { config: join(directory.path, 'config.json'), runcState: join(directory.path, 'state.json') };
    await Promise.all([writeFile(files.config, JSON.stringify(config)), writeFile(files.runcState, JSON.stringify(state))]);
    requireHarmlessRunc(files);
  };

  it('as runc writes them for our instances are let through', async () => {
    await expect(check(runcConfig, runcState)).resolves.toBeUndefined();
  });

  it.each([
    ['a hook', { hooks: { poststop: [{ path: '/bin/sh' }] } }, {}],
    ['another root', { root: { path: '/' } }, {}],
    ["options of CRIU's", { annotations: { 'org.criu.config': '/tmp/evil.conf' } }, {}],
    ['more rights for what is run inside', { process: { noNewPrivileges: true, capabilities: { effective: ['CAP_SYS_ADMIN'] } } }, {}],
    ['a hook at its end', {}, { Hooks: { poststop: [{ path: '/bin/sh' }] } }],
    ['another bundle', {}, { labels: ['bundle=/tmp/evil'] }],
    ['a root of the host', {}, { rootfs: '/' }],
    ['more rights', {}, { capabilities: { Bounding: ['CAP_SYS_ADMIN'] } }],
    ['no filter of system calls for what is run inside', {}, { seccomp: null }],
    ['one that lets all through', { linux: { ...runcConfig.linux, seccomp: { defaultAction: 'SCMP_ACT_ALLOW' } } }, {}],
    ['a cgroup of others', {}, { cgroups: { path: '/' } }],
    ["a unit of systemd's, to be stopped", {}, { cgroups: { path: '/{group}/{instance}', Systemd: true, name: 'system.slice' } }],
    ['a hook by another spelling', {}, { hOOks: { poststop: [{ path: '/bin/sh' }] } }],
    ['a hook by a letter that Go takes for another', {}, { hookſ: { poststop: [{ path: '/bin/sh' }] } }],
    ['more rights by another spelling', { Process: { capabilities: { effective: ['CAP_SYS_ADMIN'] } } }, {}],
  ])('with %s are refused', async (_what, config, state) => {
    const changed = { config: { ...runcState.config, ...state } };
    await expect(check({ ...runcConfig, ...config }, changed)).rejects.toMatchObject({ code: 'archive_invalid' });
  });

  it('with a name that is there twice are refused: runc puts both together', async () => {
    await using directory = await makeTempDir();
    const files = { config: join(directory.path, 'config.json'), runcState: join(directory.path, 'state.json') };
    const twice = JSON.stringify(runcState).replace('"Hooks":', '"Hooks":{"poststop":[{"path":"/bin/sh"}]},"Hooks":');
    await Promise.all([writeFile(files.config, JSON.stringify(runcConfig)), writeFile(files.runcState, twice)]);
    expect(() => requireHarmlessRunc(files)).toThrow('names something twice');
  });
});
