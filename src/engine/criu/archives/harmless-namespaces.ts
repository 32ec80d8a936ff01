import { readdirSync } from 'node:fs';
import { archiveInvalid, archiveUnsupported } from './archive-problems.ts';
import { requireOwnNamespaces } from './foreign-processes.ts';
import { messageOf, textOf } from './protobuf.ts';
import { readImage } from './read-image.ts';

/** Number in CRIU's inventory.proto: the namespaces in which CRIU itself was. What has the same is restored into the host's. */
const rootIds = 3;
/** Number in CRIU's netdev.proto. */
export const netnsKey = 8;
/** As runc calls the network namespace that a container was started in, and we. */
export const netnsName = 'extRootNetNS';

/** Answers the number of the one network namespace. Throws archive_unsupported when a process shares one of its host's, or they have several. */
export function findNetwork(directory: string): number {
  const [inventory] = readImage(directory, 'inventory.img').entries;
  const host = messageOf(inventory ?? [], rootIds);
  const processes = readdirSync(directory).filter((name) => /^ids-\d+\.img$/.test(name));
  const networks = new Set(processes.flatMap((name) => readImage(directory, name).entries.map((ids) => requireOwnNamespaces(ids, host))));
  const [network, ...others] = networks;
  if (network !== undefined && others.length === 0) return network;
  throw archiveUnsupported(`the container's processes have ${networks.size} network namespaces`, 'Run the app in one.');
}

/** As above, where the network is to be the one that a clone is given: CRIU would make another of what the image says. */
export function requireGivenNetwork(directory: string): void {
  const name = `netns-${findNetwork(directory)}.img`;
  const [network] = readImage(directory, name).entries;
  if (textOf(network ?? [], netnsKey) !== netnsName) throw archiveInvalid(name, 'makes a network of its own');
}
