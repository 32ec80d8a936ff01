import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Sandbox } from '#src/engine/sandbox/sandbox.ts';
import { run } from '#src/platform/subprocess.ts';
import { inside, type LocalNode, openLocalNode } from '#test/support/local-node.ts';
import { ask, startResponder } from '#test/support/net-probe.ts';
import { hostAddress, type OutsideWorld, openOutsideWorld, world } from '#test/support/outside-world.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

const tcp = (port: number, ...addresses: string[]) => addresses.map((address) => `tcp:${address}:${port}`);
const udp = (port: number, ...addresses: string[]) => addresses.map((address) => `udp:${address}:${port}`);
const dns = (address: string) => [...tcp(53, address), ...udp(53, address)];
const port8080 = ['tcp:0.0.0.0:8080', 'udp:0.0.0.0:8080'];
const everywhere = [world.server, world.farServer, world.metadata, world.resolver, ...world.privateServers];

let outside: OutsideWorld;
let node: LocalNode;
/** TCP ports on which the host listens on all its addresses. */
let allowedPort: number;
let closedPort: number;
let cleanUp = new AsyncDisposableStack();

beforeAll(async () => {
  await using stack = new AsyncDisposableStack();
  const resolvConf = join(stack.use(await makeTempDir()).path, 'resolv.conf');
  await writeFile(resolvConf, `nameserver ${world.resolver}\n`);
  const [allowed, closed] = [stack.use(await listenOnHost()), stack.use(await listenOnHost())];
  allowedPort = allowed.port;
  closedPort = closed.port;
  node = stack.use(await openLocalNode({ hostPorts: [allowedPort], resolvConf }));
  outside = stack.use(await openOutsideWorld());
  await outside.connect(node.subnet);
  cleanUp = stack.move();
});

afterAll(() => cleanUp.disposeAsync());

describe('from outside', () => {
  it('a sandbox is reached from the host, and by itself', async () => {
    const sandbox = await node.prepare();
    await using _ = await startResponder(sandbox.netnsPath, port8080);
    const targets = [...tcp(8080, sandbox.address), ...udp(8080, sandbox.address)];
    expect(await ask(undefined, targets)).toEqual(Object.fromEntries(targets.map((target) => [target, node.gateway])));
    await expectReached(sandbox, tcp(8080, sandbox.address, '127.0.0.1'));
  });

  it('a sandbox is not reached from beyond the host, not even one with egress', async () => {
    const [quiet, online] = [await node.prepare(), await prepareOnline()];
    await using _quiet = await startResponder(quiet.netnsPath, port8080);
    await using _online = await startResponder(online.netnsPath, port8080);
    const targets = [...tcp(8080, quiet.address, online.address), ...udp(8080, quiet.address, online.address)];
    expect(await ask(outside.place, targets)).toEqual({});
    expect(Object.keys(await ask(undefined, targets)).sort()).toEqual(targets.sort());
  });
});

describe('egress', () => {
  it('none: nothing beyond the host is reached, although all of it answers the host', async () => {
    const targets = [...tcp(80, ...everywhere), ...everywhere.flatMap(dns)];
    await expectReached(await node.prepare(), [], targets);
    expect(Object.keys(await ask(undefined, targets, hostAddress)).sort()).toEqual(targets.sort());
  });

  it('internet: the internet is reached, and the resolver for names alone; no private address, never 169.254.169.254', async () => {
    const targets = [...tcp(80, ...everywhere), ...everywhere.flatMap(dns)];
    const internet = [world.server, world.farServer].flatMap((address) => [...tcp(80, address), ...dns(address)]);
    await expectReached(await prepareOnline(), [...internet, ...dns(world.resolver)], targets);
  });

  it('internet: the world sees the host, not the instance', async () => {
    const answers = await ask((await prepareOnline()).netnsPath, tcp(80, world.server));
    expect(Object.values(answers)).toEqual([hostAddress]);
  });

  it('internet: the host’s own network is none of it, although its addresses are public', async () => {
    const sandbox = await prepareOnline();
    const neighbour = [...tcp(80, world.neighbour), ...dns(world.neighbour)];
    expect(Object.keys(await ask(undefined, neighbour, hostAddress)).sort()).toEqual(neighbour.sort());
    await node.sandboxes.repair(); // the network is younger than the firewall
    await expectReached(sandbox, tcp(80, world.server), [...neighbour, ...tcp(80, world.server)]);
    await node.reopen().setUp();
    await expectReached(sandbox, tcp(80, world.server), [...neighbour, ...tcp(80, world.server)]);
  });

  it('ends open flows when it is taken back', async () => {
    const sandbox = await prepareOnline();
    expect(await askInOneFlow(sandbox)).toBe(`${hostAddress}\n`);
    await node.sandboxes.setEgress(sandbox.id, 'none');
    expect(await askInOneFlow(sandbox)).toBe('');
    await node.sandboxes.setEgress(sandbox.id, 'internet');
    expect(await askInOneFlow(sandbox)).toBe(`${hostAddress}\n`);
  });

  it('survives a new set-up, as the lack of it does', async () => {
    const [quiet, online] = [await node.prepare(), await prepareOnline()];
    await node.reopen().setUp();
    await expectReached(online, tcp(80, world.server));
    await expectReached(quiet, [], tcp(80, world.server));
  });
});

describe('repair', () => {
  it('brings isolation and the egress of live sandboxes back after a flush, whatever was flushed', async () => {
    const [quiet, online] = [await node.prepare(), await prepareOnline()];
    for (const tables of [['inet', 'bridge'], ['inet'], ['bridge']]) {
      for (const family of tables) await nft('delete', 'table', family, table());
      await node.sandboxes.repair();
      const listed = await nft('list', 'tables');
      for (const family of ['inet', 'bridge']) expect(listed).toContain(`table ${family} ${table()}\n`);
      await expectReached(online, tcp(80, world.server));
      await expectReached(quiet, [], tcp(80, world.server));
    }
  });

  it('corrects who has egress without touching the rest', async () => {
    const [quiet, online] = [await node.prepare(), await prepareOnline()];
    const handle = async () => /chain to_outside \{ # handle (\d+)/.exec(await nft('-a', 'list', 'table', 'inet', table()))?.[1];
    const before = await handle();
    await nft(`delete element inet ${table()} internet { ${online.address} }`);
    await nft(`add element inet ${table()} internet { ${quiet.address} }`);
    await node.sandboxes.repair();
    await expectReached(online, tcp(80, world.server));
    await expectReached(quiet, [], tcp(80, world.server));
    expect(before).toBeDefined();
    expect(await handle()).toBe(before);
  });

  it('does nothing in a process that has not set up', async () => {
    await nft('delete', 'table', 'bridge', table());
    await node.reopen().repair();
    expect(await nft('list', 'tables')).not.toContain(`table bridge ${table()}\n`);
    await node.sandboxes.repair();
  });
});

describe('a sandbox and the host', () => {
  it('the allowed port is reached, no other one, by whatever address of the host', async () => {
    const addresses = hostAddresses();
    expect(addresses).toEqual(expect.arrayContaining([hostAddress, node.gateway]));
    const allowed = tcp(allowedPort, ...addresses);
    const targets = [...allowed, ...tcp(closedPort, ...addresses), ...dns(node.gateway)];
    await expectReached(await node.prepare(), allowed, targets);
    await expectReached(await prepareOnline(), allowed, targets);
    expect(Object.keys(await ask(undefined, tcp(closedPort, ...addresses)))).toHaveLength(addresses.length);
  });

  it('a redirection of the host leads nowhere', async () => {
    const sandbox = await prepareOnline();
    await using _ = await redirectOnHost(`ip saddr ${node.subnet} tcp dport 8053 dnat ip to ${world.farServer}:80`);
    await expectReached(sandbox, tcp(80, world.farServer), tcp(80, world.farServer).concat(tcp(8053, world.server)));
  });

  it('there is no IPv6 between them', async () => {
    const sandbox = await node.prepare();
    expect(await inside(sandbox, 'ip', '-6', 'addr')).toBe('');
    expect(await inside(sandbox, 'cat', '/proc/sys/net/ipv6/conf/default/disable_ipv6')).toBe('1\n');
    const onHost = Object.entries(networkInterfaces()).filter(([name]) => name.startsWith(node.bridge));
    expect(onHost.flatMap(([, addresses]) => addresses ?? []).map(({ family }) => family)).toEqual(['IPv4']);
  });
});

describe('two sandboxes', () => {
  it('do not reach each other, by no route and by no hardware address', async () => {
    const [one, other] = [await prepareOnline(), await prepareOnline()];
    await using _ = await startResponder(other.netnsPath, port8080);
    const targets = [...tcp(8080, other.address), ...udp(8080, other.address)];
    await expectReached(one, [], targets);
    const neighbour = `ip neigh replace ${other.address} dev eth0 lladdr`;
    for (const trick of [
      `${neighbour} ${gatewayMac()}`,
      `${neighbour} ${await macOf(other)}`,
      `${neighbour} ff:ff:ff:ff:ff:ff`,
      `ip route add ${other.address} via ${node.gateway}`,
    ]) {
      await inside(one, ...trick.split(' '));
      expect(await ask(one.netnsPath, targets), trick).toEqual({});
    }
    expect(Object.keys(await ask(undefined, targets)).sort()).toEqual(targets.sort());
  });

  it('can not send in each other’s name, nor take what is meant for the other', async () => {
    const [quiet, online] = [await node.prepare(), await prepareOnline()];
    await using _ = await startResponder(online.netnsPath, port8080);
    await inside(quiet, 'ip', 'addr', 'add', `${online.address}/20`, 'dev', 'eth0');
    for (const mac of [await macOf(quiet), await macOf(online)]) {
      await inside(quiet, 'ip', 'link', 'set', 'eth0', 'address', mac);
      await inside(quiet, 'ip', 'neigh', 'replace', node.gateway, 'lladdr', gatewayMac(), 'dev', 'eth0');
      await sendDatagram(quiet, online.address, 'forged');
      await sendDatagram(quiet, quiet.address, 'from a foreign card');
      expect(Object.keys(await ask(undefined, tcp(8080, online.address)))).toEqual(tcp(8080, online.address));
    }
    await sendDatagram(online, online.address, 'genuine');
    await vi.waitFor(() => expect(outside.responder.datagrams).toContain(`${hostAddress} genuine`));
    expect(outside.responder.datagrams).not.toContain(`${hostAddress} forged`);
  });
});

const table = () => `thaw_${node.tag}`;

async function nft(...args: string[]): Promise<string> {
  return (await run(['nft', ...args], { timeoutMs: 10_000 })).stdout;
}

async function prepareOnline(): Promise<Sandbox> {
  const sandbox = await node.prepare();
  await node.sandboxes.setEgress(sandbox.id, 'internet');
  return sandbox;
}

/** That `reached`, and of `asked` nothing else, answers the sandbox. */
async function expectReached(sandbox: Sandbox, reached: readonly string[], asked: readonly string[] = reached): Promise<void> {
  const answers = await ask(sandbox.netnsPath, asked);
  expect(Object.keys(answers).sort()).toEqual([...reached].sort());
}

/** Always from the same port, so that the connection tracking takes it for one flow. Answers '' when none comes within a second. */
function askInOneFlow(sandbox: Sandbox): Promise<string> {
  return perl(
    sandbox,
    `my $socket = IO::Socket::INET->new(Proto => "udp", LocalPort => 5353, PeerAddr => "${world.server}", PeerPort => 53);
     $socket->send("hello"); $SIG{ALRM} = sub { exit }; alarm 1; $socket->recv(my $answer, 512); print $answer`,
  );
}

async function sendDatagram(sandbox: Sandbox, from: string, text: string): Promise<void> {
  const socket = `Proto => "udp", LocalAddr => "${from}", PeerAddr => "${world.server}", PeerPort => 53`;
  await perl(sandbox, `IO::Socket::INET->new(${socket})->send("${text}")`);
}

function perl(sandbox: Sandbox, script: string): Promise<string> {
  return inside(sandbox, 'perl', '-MIO::Socket::INET', '-e', script);
}

async function macOf(sandbox: Sandbox): Promise<string> {
  return /link\/ether (\S+)/.exec(await inside(sandbox, 'ip', 'link', 'show', 'eth0'))?.[1] ?? '';
}

function gatewayMac(): string {
  return networkInterfaces()[node.bridge]?.[0]?.mac ?? '';
}

/** A rule of the host's own for the destination of packets, as container engines have them for published ports. */
async function redirectOnHost(rule: string): Promise<AsyncDisposable> {
  const table = `ip redirect_${node.bridge.replace('-', '_')}`;
  const input = `table ${table} {\nchain prerouting {\ntype nat hook prerouting priority dstnat\n${rule}\n}\n}\n`;
  await run(['nft', '-f', '-'], { input, timeoutMs: 10_000 });
  return { [Symbol.asyncDispose]: () => run(['nft', 'delete', 'table', ...table.split(' ')], { timeoutMs: 10_000 }).then(() => {}) };
}

/** Without the bridges of other Thaws, which come and go. */
function hostAddresses(): string[] {
  const interfaces = Object.entries(networkInterfaces()).filter(([name]) => name === node.bridge || !name.startsWith('thaw-'));
  const addresses = interfaces.flatMap(([, addresses]) => addresses ?? []);
  return addresses.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address);
}

async function listenOnHost(): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((socket: Socket) => socket.on('error', () => {}).end('host\n'));
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return { port, [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) };
}
