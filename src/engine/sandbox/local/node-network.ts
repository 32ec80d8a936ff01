import { mkdir, readdir } from 'node:fs/promises';
import type { InstanceId } from '#src/platform/ids.ts';
import { AddressPool } from './address-pool.ts';
import { agreeOnInternet } from './agree-on-internet.ts';
import { makeBridge, removeLink } from './bridge.ts';
import { chooseSubnet } from './choose-subnet.ts';
import { applyFirewall, changeHostNetworks, removeFirewall } from './firewall.ts';
import { turnForwardingOff, turnForwardingOn } from './forwarding.ts';
import { readHostNetworks } from './host-routes.ts';
import { isNamespacesDirMounted, unmountNamespacesDir } from './namespaces.ts';
import { type NetworkNames, portName } from './network-names.ts';
import { newNetworkState, readNetworkState, removeNetworkState, writeNetworkState } from './network-state.ts';
import { type InstanceDns, type ResolvConfPaths, readInstanceDns } from './resolvers.ts';
import { readAllRecords, type SandboxRecord, sandboxesDir } from './sandbox-records.ts';
import { formatSubnet, type Subnet, slotOf } from './subnet.ts';

export interface NodeNetworkDeps {
  readonly names: NetworkNames;
  /** Six hex digits of the data directory. */
  readonly tag: string;
  readonly dataDir: string;
  /** A tmpfs. */
  readonly runDir: string;
  /** TCP ports of this host that instances may reach. */
  readonly hostPorts: readonly number[];
  readonly resolvConf: ResolvConfPaths;
}

/** What all sandboxes of this node share. */
export interface NodeNetwork {
  readonly subnet: Subnet;
  readonly addresses: AddressPool;
  readonly dns: InstanceDns;
  /** As the firewall has them. */
  readonly hostNetworks: readonly string[];
}

/**
 * Makes the bridge and the firewall, or what is missing of them, and finds out which addresses are held. Live sandboxes go on. `before` is
 * what this process got the last time: it alone knows the addresses that are just being given out.
 */
export async function setUpNodeNetwork(deps: NodeNetworkDeps, before: NodeNetwork | undefined): Promise<NodeNetwork> {
  const { names, tag, dataDir } = deps;
  const dns = await readInstanceDns(deps.resolvConf);
  const remembered = await readNetworkState(dataDir);
  const subnet = await chooseSubnet(names, tag, remembered?.subnet, dns.resolvers);
  await rememberState(deps, formatSubnet(subnet));

  await removeStrayPorts(deps);
  const records = await readAllRecords(deps.runDir);
  const internet = [...records.values()].filter((record) => record.egress === 'internet').map((record) => record.address);

  const hostNetworks = await readHostNetworks(names);
  const policy = { hostPorts: deps.hostPorts, resolvers: dns.resolvers, internet, hostNetworks };
  await applyFirewall(names, subnet, policy); // before anyone could send
  await agreeOnInternet(names, deps.runDir); // the node agent may have switched someone's egress since the records were read
  await makeBridge(names, subnet);
  if (internet.length > 0) await turnForwardingOn(dataDir);
  const addresses = before?.subnet.network === subnet.network ? before.addresses : heldAddresses(subnet, records);
  return { subnet, addresses, dns, hostNetworks };
}

/** The host's networks come and go: a cable, a VPN, a lease that is renewed. */
export async function followHostNetworks(names: NetworkNames, network: NodeNetwork): Promise<NodeNetwork> {
  const hostNetworks = await readHostNetworks(names);
  if (hostNetworks.join() === network.hostNetworks.join()) return network;
  await changeHostNetworks(names, hostNetworks);
  return { ...network, hostNetworks };
}

/** Puts the host back as it was. The sandboxes must be gone. */
export async function tearDownNodeNetwork(deps: NodeNetworkDeps): Promise<void> {
  for (const port of await listPorts(deps.names)) await removeLink(port);
  await removeLink(deps.names.bridge);
  await removeFirewall(deps.names);
  const state = await readNetworkState(deps.dataDir);
  if (state?.changed.forwarding) await turnForwardingOff();
  if (state?.changed.namespacesMount) await unmountNamespacesDir();
  await removeNetworkState(deps.dataDir);
}

function heldAddresses(subnet: Subnet, records: ReadonlyMap<InstanceId, SandboxRecord>): AddressPool {
  const addresses = new AddressPool(subnet);
  for (const [id, record] of records) addresses.hold(id, record.address);
  return addresses;
}

async function rememberState(deps: NodeNetworkDeps, subnet: string): Promise<void> {
  await mkdir(deps.dataDir, { recursive: true });
  await mkdir(sandboxesDir(deps.runDir), { recursive: true, mode: 0o711 });
  const known = await readNetworkState(deps.dataDir);
  const state = known ?? newNetworkState(subnet);
  const namespacesMount = state.changed.namespacesMount || !isNamespacesDirMounted();
  // Once there are sandboxes all of it is known: then the node agent may be writing that it turned forwarding on.
  if (known?.subnet === subnet && known.changed.namespacesMount === namespacesMount) return;
  await writeNetworkState(deps.dataDir, { subnet, changed: { ...state.changed, namespacesMount } });
}

/** Ports without a record, left when someone emptied the tmpfs. They are listed first: a record is older than its port, and outlives it. */
async function removeStrayPorts({ names, runDir }: NodeNetworkDeps): Promise<void> {
  const ports = await listPorts(names);
  const recorded = new Set([...(await readAllRecords(runDir)).values()].map((record) => portName(names, slotOf(record.address))));
  for (const port of ports) if (!recorded.has(port)) await removeLink(port);
}

async function listPorts(names: NetworkNames): Promise<string[]> {
  return (await readdir('/sys/class/net')).filter((link) => link.startsWith(names.portPrefix));
}
