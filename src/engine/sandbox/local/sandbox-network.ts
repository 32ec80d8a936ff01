import { fileURLToPath } from 'node:url';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { linkExists } from './bridge.ts';
import { namespaceEntryExists } from './namespaces.ts';
import { type NetworkNames, namespaceName, portName } from './network-names.ts';
import { networkTool } from './network-tool.ts';
import { gatewayOf, macOf, type Subnet, slotOf, subnetBits } from './subnet.ts';

const makeNetworkScript = fileURLToPath(new URL('./make-network.sh', import.meta.url));

/** Makes the namespace of an instance and its way to the bridge. */
export async function makeSandboxNetwork(names: NetworkNames, subnet: Subnet, id: InstanceId, address: string): Promise<void> {
  const namespace = namespaceName(names, id);
  const port = portName(names, slotOf(address));
  const interfaceOptions = [names.bridge, address, String(subnetBits), macOf(address), gatewayOf(subnet)];
  await networkTool(`making the network of ${id}`, ['sh', makeNetworkScript, namespace, port, ...interfaceOptions]);
}

/**
 * Removes whatever there is of it. `address` is undefined when no record tells it. The port is removed by name, not left to the end of the
 * namespace: a mount namespace of someone else may hold that one for long.
 */
export async function removeSandboxNetwork(names: NetworkNames, id: InstanceId, address: string | undefined): Promise<void> {
  const namespace = namespaceName(names, id);
  const port = address === undefined ? undefined : portName(names, slotOf(address));
  const what = `removing the network of ${id}`;
  // The neighbour last: where the host has forgotten it (the bridge went down, or a removal was cut off), ip ends the whole batch with code 2.
  const commands = [
    ...(port === undefined ? [] : [`link del ${port}`]),
    `netns del ${namespace}`,
    ...(address === undefined ? [] : [`neigh del ${address} dev ${names.bridge}`]),
  ];
  // A failure here means that something was gone already; what counts is what is left.
  const { stderr } = await networkTool(what, ['ip', '-force', '-batch', '-'], { input: `${commands.join('\n')}\n`, okCodes: [1, 2] });
  if ((await namespaceEntryExists(names, id)) || (port !== undefined && (await linkExists(port)))) {
    throw new ThawError('subprocess_failed', `${what} (${namespace}, ${port}) failed: ${stderr.trim()}`, {
      fix: 'The next reconcile tries again.',
    });
  }
}
