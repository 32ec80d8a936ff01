import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { linkExists, turnIpv6Off } from './bridge.ts';
import { namespaceEntryExists } from './namespaces.ts';
import { type NetworkNames, namespaceName, namespacePath, portName } from './network-names.ts';
import { ipBatch, runTool } from './run-tool.ts';
import { gatewayOf, macOf, type Subnet, slotOf, subnetBits } from './subnet.ts';

/**
 * A port talks to the bridge alone (`isolated`), hears nothing that is meant for others (no flooding) and can not take another's place:
 * the bridge learns no hardware address from it, and the host none by ARP. Both are told instead, here.
 */
const portOptions = 'isolated on learning off flood off mcast_flood off bcast_flood off';

/**
 * Run in the namespace. Low ports are free, as under Docker: an image's unprivileged user may listen on 80, and a clone may do so again
 * after its restore.
 */
const configureNamespace = `
cd /proc/sys/net
if [ -e ipv6/conf ]; then echo 1 >ipv6/conf/all/disable_ipv6; fi
echo 0 >ipv4/ip_unprivileged_port_start
exec ip -batch -`;

/** Makes the namespace of an instance and its way to the bridge. On the restore path: three short programs, two of them side by side. */
export async function makeSandboxNetwork(names: NetworkNames, subnet: Subnet, id: InstanceId, address: string): Promise<void> {
  const namespace = namespaceName(names, id);
  const port = portName(names, slotOf(address));
  const mac = macOf(address);
  const what = `making the network of ${id}`;
  await ipBatch(what, [
    `netns add ${namespace}`,
    `link add ${port} type veth peer name eth0 address ${mac} netns ${namespace}`,
    `link set ${port} master ${names.bridge}`,
    `link set ${port} up type bridge_slave ${portOptions}`,
    `neigh replace ${address} lladdr ${mac} dev ${names.bridge} nud permanent`,
  ]);
  await turnIpv6Off(port);
  const inside = [
    'link set lo up',
    `addr add ${address}/${subnetBits} dev eth0`,
    'link set eth0 up',
    `route add default via ${gatewayOf(subnet)}`,
  ];
  await Promise.all([
    runTool(what, ['bridge', 'fdb', 'replace', mac, 'dev', port, 'master', 'static']),
    runTool(what, ['nsenter', `--net=${namespacePath(names, id)}`, 'sh', '-ec', configureNamespace], { input: `${inside.join('\n')}\n` }),
  ]);
}

/**
 * Removes whatever there is of it. `address` is undefined when no record tells it. The port is removed by name, not left to the end of the
 * namespace: a mount namespace of someone else may hold that one for long.
 */
export async function removeSandboxNetwork(names: NetworkNames, id: InstanceId, address: string | undefined): Promise<void> {
  const namespace = namespaceName(names, id);
  const port = address === undefined ? undefined : portName(names, slotOf(address));
  const what = `removing the network of ${id}`;
  const portCommands = port === undefined ? [] : [`link del ${port}`, `neigh del ${address} dev ${names.bridge}`];
  const input = `${[...portCommands, `netns del ${namespace}`].join('\n')}\n`;
  // A failure here means that something was gone already; what counts is what is left.
  const { stderr } = await runTool(what, ['ip', '-force', '-batch', '-'], { input, okCodes: [1] });
  if ((await namespaceEntryExists(names, id)) || (port !== undefined && (await linkExists(port)))) {
    throw new ThawError('subprocess_failed', `${what} (${namespace}, ${port}) failed: ${stderr.trim()}`, {
      fix: 'The next reconcile tries again.',
    });
  }
}
