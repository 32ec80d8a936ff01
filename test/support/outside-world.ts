import { randomBytes } from 'node:crypto';
import { run } from '#src/platform/subprocess.ts';
import { type Responder, startResponder } from './net-probe.ts';

/** The host's own address in `world.network`: what NAT shows to the world. */
export const hostAddress = '203.0.113.1';

/** Addresses of the world, all on one machine of documentation addresses behind a cable of its own. */
export const world = {
  /** In the host's own network, which has public addresses; the others lie behind it. */
  neighbour: '203.0.113.2',
  server: '198.51.100.2',
  farServer: '198.51.100.9',
  resolver: '10.255.254.53',
  metadata: '169.254.169.254',
  privateServers: ['10.255.254.9', '172.31.254.9', '192.168.254.9', '100.64.254.9', '168.63.129.16'],
};

export interface OutsideWorld extends AsyncDisposable {
  /** Of its network namespace. */
  readonly place: string;
  readonly responder: Responder;
  /** Leads what comes from `subnet` to the world, and the world to it. Nothing else on the host changes its way. */
  connect(subnet: string): Promise<void>;
}

/** A network namespace that stands for everything beyond the host. It answers on TCP 80, and on TCP and UDP 53. */
export async function openOutsideWorld(): Promise<OutsideWorld> {
  const suffix = randomBytes(3).toString('hex');
  const [namespace, cable, table] = [`outside-${suffix}`, `outside${suffix}`, String(1000 + Number.parseInt(suffix, 16))];
  const beyond = [world.server, world.farServer, world.resolver, world.metadata, ...world.privateServers];
  const rules: string[] = [];
  const cleanUp = async () => {
    await batch([...rules.map((rule) => `rule del ${rule}`), `link del ${cable}`, `netns del ${namespace}`], ['-force']);
  };
  try {
    await batch([
      `netns add ${namespace}`,
      `link add ${cable} type veth peer name eth0 netns ${namespace}`,
      `addr add ${hostAddress}/24 dev ${cable}`,
      `link set ${cable} up`,
      ...beyond.map((address) => `route add ${address} via ${world.neighbour} dev ${cable} table ${table} onlink`),
    ]);
    const addresses = [`addr add ${world.neighbour}/24 dev eth0`, ...beyond.map((address) => `addr add ${address}/32 dev lo`)];
    await batch([...addresses, 'link set lo up', 'link set eth0 up'], ['-n', namespace]);
    await addRule(`from ${hostAddress} lookup ${table}`);
    const place = `/run/netns/${namespace}`;
    const both = ['tcp:0.0.0.0:80', 'tcp:0.0.0.0:53'];
    const responder = await startResponder(place, [...both, ...beyond.concat(world.neighbour).map((address) => `udp:${address}:53`)]);
    const connect = async (subnet: string) => {
      await addRule(`from ${subnet} lookup ${table}`);
      await batch([`route add ${subnet} via ${hostAddress}`], ['-n', namespace]);
    };
    const close = () => responder[Symbol.asyncDispose]().then(cleanUp);
    return { place, responder, connect, [Symbol.asyncDispose]: close };
  } catch (error) {
    await cleanUp();
    throw error;
  }

  async function addRule(rule: string): Promise<void> {
    await batch([`rule add ${rule}`]);
    rules.push(rule);
  }
}

function batch(commands: readonly string[], options: readonly string[] = []) {
  const okCodes = options.includes('-force') ? [0, 1] : [0];
  return run(['ip', ...options, '-batch', '-'], { input: `${commands.join('\n')}\n`, timeoutMs: 20_000, okCodes });
}
