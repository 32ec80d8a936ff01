import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Sandbox } from '#src/engine/sandbox/sandbox.ts';
import { type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { describeHostNetwork, inside, type LocalNode, openLocalNode } from '#test/support/local-node.ts';
import { ask, startResponder } from '#test/support/net-probe.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

let node: LocalNode;
let cleanUp: AsyncDisposableStack;

beforeEach(async () => {
  await using stack = new AsyncDisposableStack();
  const resolvConf = join(stack.use(await makeTempDir()).path, 'resolv.conf');
  await writeFile(resolvConf, 'search example.org\nnameserver 127.0.0.53\nnameserver 198.51.100.53\n');
  node = stack.use(await openLocalNode({ resolvConf }));
  cleanUp = stack.move();
});

afterEach(() => cleanUp.disposeAsync());

describe('preparing', () => {
  it('gives a network namespace that the host reaches, under names that tell whose it is', async () => {
    const sandbox = await node.prepare();
    expect(await system('ip netns')).toContain(`thaw-${node.tag}-${sandbox.id}`);
    expect(sandbox.netnsPath).toBe(`/run/netns/thaw-${node.tag}-${sandbox.id}`);
    expect(await portsOf(node)).toEqual([expect.stringMatching(new RegExp(`^thaw-${node.tag}-[0-9a-f]{3}$`))]);
    expect(await inside(sandbox, 'ip', '-brief', 'addr')).toMatch(new RegExp(`lo .*127.0.0.1/8[^]*eth0.*UP .*${sandbox.address}/20`));
    await expectUsable(sandbox);
  });

  it('gives the files that an instance reads of itself, the machine id not the host’s', async () => {
    const [one, other] = [await node.prepare(), await node.prepare()];
    const read = (sandbox: Sandbox, name: 'hostname' | 'hosts' | 'resolvConf' | 'machineId') => readFile(sandbox.files[name], 'utf8');
    expect(one.hostname).toBe(one.id);
    expect(await read(one, 'hostname')).toBe(`${one.id}\n`);
    expect(await read(one, 'hosts')).toBe(`127.0.0.1\tlocalhost\n${one.address}\t${one.id}\n`);
    expect(await read(one, 'resolvConf')).toBe('nameserver 198.51.100.53\nsearch example.org\n');
    expect(await read(one, 'machineId')).toMatch(/^[0-9a-f]{32}\n$/);
    expect(await read(other, 'machineId')).not.toBe(await read(one, 'machineId'));
    expect((await stat(one.files.runThaw)).mode & 0o777).toBe(0o755);
  });

  it('lets an unprivileged user listen on low ports', async () => {
    expect(await inside(await node.prepare(), 'cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe('0\n');
  });

  it('separates the ports of the bridge', async () => {
    await node.prepare();
    const [port] = await portsOf(node);
    const flags = ['isolated', 'learning', 'unicast_flood', 'multicast_flood'];
    const values = await Promise.all(flags.map((flag) => readFile(`/sys/class/net/${port}/brport/${flag}`, 'utf8')));
    expect(values.map((value) => value.trim())).toEqual(['1', '0', '0', '0']);
  });

  it('holds when the bridge goes down and up again', async () => {
    const sandbox = await node.prepare();
    await system(`ip link set ${node.bridge} down; ip link set ${node.bridge} up`);
    await expectUsable(sandbox);
  });

  it('twice gives the same sandbox, at the same time too', async () => {
    const id = newInstanceId();
    const [one, other] = await Promise.all([node.sandboxes.prepare(id), node.sandboxes.prepare(id)]);
    const machineId = await readFile(one.files.machineId, 'utf8');
    expect(other).toEqual(one);
    expect(await node.sandboxes.prepare(id)).toEqual(one);
    expect(await readFile(one.files.machineId, 'utf8')).toBe(machineId);
    expect(await portsOf(node)).toHaveLength(1);
  });

  it('50 at once gives 50 addresses, and all work', async () => {
    const sandboxes = await Promise.all(Array.from({ length: 50 }, () => node.prepare()));
    expect(new Set(sandboxes.map(({ address }) => address)).size).toBe(50);
    for (const sandbox of sandboxes)
      expect(await inside(sandbox, 'ip', '-brief', 'addr', 'show', 'eth0')).toContain(`${sandbox.address}/20`);
    expect((await node.sandboxes.list()).sort()).toEqual(sandboxes.map(({ id }) => id).sort());
    await Promise.all(sandboxes.map(({ id }) => node.sandboxes.remove(id)));
    expect(await leftovers(node)).toEqual([]);
  });

  it('makes a half-made one anew, whatever half it is', async () => {
    const [bare, gone, unconfigured] = [newInstanceId(), (await node.prepare()).id, (await node.prepare()).id];
    await system(`ip netns add thaw-${node.tag}-${bare}`);
    await system(`ip netns del thaw-${node.tag}-${gone}`);
    const record = join(node.runDir, 'sandboxes', unconfigured, 'sandbox.json');
    await writeFile(record, JSON.stringify({ ...JSON.parse(await readFile(record, 'utf8')), made: false }));
    expect((await node.sandboxes.list()).sort()).toEqual([bare, gone, unconfigured].sort());
    for (const id of [bare, gone, unconfigured]) await expectUsable(await node.sandboxes.prepare(id));
    expect(await portsOf(node)).toHaveLength(3);
  });
});

describe('removing', () => {
  it('leaves nothing, and again or of nothing is no error', async () => {
    const { id } = await node.prepare();
    await node.sandboxes.setEgress(id, 'internet');
    await node.sandboxes.remove(id);
    expect(await leftovers(node)).toEqual([]);
    await node.sandboxes.remove(id);
    await node.sandboxes.remove(newInstanceId());
  });

  it('takes the port away even while someone else holds the namespace', async () => {
    const { id, netnsPath } = await node.prepare();
    const holder = spawn('nsenter', [`--net=${netnsPath}`, 'sh', '-c', 'echo ready; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(holder.stdout, 'data');
    await node.sandboxes.remove(id);
    expect(await leftovers(node)).toEqual([]);
    holder.kill('SIGKILL');
    await once(holder, 'close');
  });

  it('goes on after one that was cut off, and after the host forgot who its neighbours are', async () => {
    const [cutOff, forgotten] = [await node.prepare(), await node.prepare()];
    const [port] = await portsOf(node);
    await system(`ip link del ${port}; ip neigh del ${cutOff.address} dev ${node.bridge}`);
    await system(`ip link set ${node.bridge} down; ip link set ${node.bridge} up`);
    await node.sandboxes.remove(cutOff.id);
    await node.sandboxes.remove(forgotten.id);
    expect(await leftovers(node)).toEqual([]);
  });

  it('succeeds after someone flushed the firewall', async () => {
    const { id } = await node.prepare();
    await node.sandboxes.setEgress(id, 'internet');
    await system(`nft delete table inet thaw_${node.tag}`);
    await node.sandboxes.remove(id);
    expect(await leftovers(node)).toEqual([]);
  });

  it('egress of an instance that is not there is refused', async () => {
    await expect(node.sandboxes.setEgress(newInstanceId(), 'internet')).rejects.toMatchObject({ code: 'instance_not_found' });
  });
});

describe('a restarted process', () => {
  it('finds the sandboxes, and gives their addresses to nobody else', async () => {
    const sandboxes = await Promise.all(Array.from({ length: 20 }, () => node.prepare()));
    const restarted = node.reopen();
    expect((await restarted.list()).sort()).toEqual(sandboxes.map(({ id }) => id).sort());
    await restarted.setUp();
    for (const sandbox of sandboxes) expect(await restarted.prepare(sandbox.id)).toEqual(sandbox);
    const more = await Promise.all(Array.from({ length: 20 }, () => restarted.prepare(newInstanceId())));
    expect(new Set([...sandboxes, ...more].map(({ address }) => address)).size).toBe(40);
    for (const sandbox of [...sandboxes.slice(0, 2), ...more.slice(0, 2)]) await expectUsable(sandbox);
  });

  it('keeps the subnet, and removes ports that no record tells of', async () => {
    const { id } = await node.prepare();
    await system(`rm -r ${node.runDir}/sandboxes/${id}`);
    const restarted = node.reopen();
    await restarted.setUp();
    expect(await portsOf(node)).toEqual([]);
    expect(await restarted.list()).toEqual([id]);
    expect((await restarted.prepare(id)).address.split('.').slice(0, 2)).toEqual(node.gateway.split('.').slice(0, 2));
  });
});

describe('a further set-up', () => {
  it('does not write what is known of the host anew, for the node agent may be adding to it', async () => {
    const state = join(node.runDir, '..', 'network.json');
    const before = (await stat(state)).ino;
    await node.sandboxes.setUp();
    await node.reopen().setUp();
    expect((await stat(state)).ino).toBe(before);
  });
});

describe('tearing down', () => {
  it('leaves the host’s network as it was, and again is no error', async () => {
    await node.sandboxes.tearDown();
    const before = await describeHostNetwork(node.tag);
    await node.sandboxes.setUp();
    const { id } = await node.prepare();
    await node.sandboxes.setEgress(id, 'internet');
    await node.prepare();
    const during = await describeHostNetwork(node.tag);
    expect(during.filter((line) => line.includes(node.tag)).length).toBeGreaterThan(8);
    await node.sandboxes.tearDown();
    expect(await describeHostNetwork(node.tag)).toEqual(before);
    await node.sandboxes.tearDown();
    expect(await node.sandboxes.list()).toEqual([]);
  });
});

async function system(command: string): Promise<string> {
  return (await run(['sh', '-c', command], { timeoutMs: 10_000 })).stdout;
}

async function portsOf({ tag }: LocalNode): Promise<string[]> {
  return (await readdir('/sys/class/net')).filter((name) => name.startsWith(`thaw-${tag}-`));
}

/** What belongs to sandboxes, by the system's own words. */
async function leftovers(node: LocalNode): Promise<string[]> {
  const lines = await system(`ip netns; ip neigh show dev ${node.bridge}; nft list set inet thaw_${node.tag} internet || true`);
  const named = lines.split('\n').filter((line) => line.includes(node.tag) && line.includes('ins-'));
  const elements = lines.split('\n').filter((line) => /lladdr|elements/.test(line));
  const ids: InstanceId[] = await node.sandboxes.list();
  return [...named, ...elements, ...ids, ...(await portsOf(node)), ...(await readdir(join(node.runDir, 'sandboxes')))];
}

async function expectUsable(sandbox: Sandbox): Promise<void> {
  expect(existsSync(sandbox.files.resolvConf)).toBe(true);
  await using _ = await startResponder(sandbox.netnsPath, ['tcp:0.0.0.0:80']);
  expect(await ask(undefined, [`tcp:${sandbox.address}:80`])).not.toEqual({});
}
