import type { Sandbox, SandboxProvider } from '#src/engine/sandbox/sandbox.ts';
import type { Egress } from '#src/engine/workload.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { KeyedMutex, Semaphore } from '#src/platform/semaphore.ts';
import { agreeOnInternet } from './agree-on-internet.ts';
import { switchEgress } from './egress-switch.ts';
import { denyInternet } from './firewall.ts';
import { isNamespace, listNamespaces, namespaceEntryExists } from './namespaces.ts';
import { namespacePath, networkNames } from './network-names.ts';
import { followHostNetworks, type NodeNetwork, setUpNodeNetwork, tearDownNodeNetwork } from './node-network.ts';
import { type ResolvConfPaths, systemResolvConf } from './resolvers.ts';
import { sandboxFiles, writeSandboxFiles } from './sandbox-files.ts';
import { makeSandboxNetwork, removeSandboxNetwork } from './sandbox-network.ts';
import {
  listSandboxDirs,
  readSandboxRecord,
  removeAllRecords,
  sandboxDir,
  takeSandboxRecord,
  writeSandboxRecord,
} from './sandbox-records.ts';

export interface LocalSandboxDeps {
  /** Six hex digits of the data directory: every name on the host derives from it. */
  readonly tag: string;
  readonly dataDir: string;
  /** A tmpfs: what lies here never touches a disk and ends with the boot. */
  readonly runDir: string;
  /** TCP ports of this host that instances may reach. */
  readonly hostPorts: readonly number[];
  readonly resolvConf?: ResolvConfPaths;
}

/**
 * Sandboxes of our own making: for each a network namespace on a bridge behind a firewall. One provider per data directory at a time; the
 * next one, in a restarted process, finds what is there. Other processes may have a createEgressSwitch beside it.
 */
export function createLocalSandboxes({ resolvConf = systemResolvConf, ...deps }: LocalSandboxDeps): SandboxProvider {
  const { runDir } = deps;
  const names = networkNames(deps.tag);
  const node = { ...deps, names, resolvConf };
  const oneAtATime = new KeyedMutex();
  /** Held while records and firewall are made to agree: setUp and repair change the firewall by the records. */
  const firewallLock = new Semaphore(1);
  let network: NodeNetwork | undefined;

  return {
    setUp: () =>
      firewallLock.run(async () => {
        network = await setUpNodeNetwork(node, network);
      }),
    repair: () =>
      firewallLock.run(async () => {
        if (!network) return;
        const isThere = await agreeOnInternet(names, runDir);
        network = isThere ? await followHostNetworks(names, network) : await setUpNodeNetwork(node, network);
      }),
    prepare,
    setEgress,
    remove: (id) => oneAtATime.run(id, () => clear(id)),
    list: async () => [...new Set([...(await listNamespaces(names)), ...(await listSandboxDirs(runDir))])],
    tearDown,
  };

  function prepare(id: InstanceId): Promise<Sandbox> {
    return oneAtATime.run(id, async () => {
      const { subnet, addresses, dns } = await readyNetwork();
      const record = await readSandboxRecord(runDir, id);
      if (record?.made && (await isNamespace(namespacePath(names, id)))) return sandboxAt(id, record.address);

      await clear(id); // what a crash left half-made is made anew
      const address = addresses.take(id);
      await writeSandboxRecord(runDir, id, { address, egress: 'none', made: false });
      const sandbox = sandboxAt(id, address);
      await Promise.all([
        makeSandboxNetwork(names, subnet, id, address),
        writeSandboxFiles(sandbox.files, { hostname: sandbox.hostname, address, resolvConf: dns.resolvConf }),
      ]);
      await writeSandboxRecord(runDir, id, { address, egress: 'none', made: true });
      return sandbox;
    });
  }

  function setEgress(id: InstanceId, egress: Egress): Promise<void> {
    return oneAtATime.run(id, async () => {
      await readyNetwork();
      await firewallLock.run(() => switchEgress(node, id, egress));
    });
  }

  async function clear(id: InstanceId): Promise<void> {
    const record = await readSandboxRecord(runDir, id);
    if (record || (await namespaceEntryExists(names, id))) await removeSandboxNetwork(names, id, record?.address);
    await firewallLock.run(async () => {
      const last = await takeSandboxRecord(runDir, id);
      if (last?.egress === 'internet') await denyInternet(names, last.address);
    });
    network?.addresses.release(id); // last: until here nobody else may have it
  }

  async function tearDown(): Promise<void> {
    for (const id of [...(await listNamespaces(names)), ...(await listSandboxDirs(runDir))]) await oneAtATime.run(id, () => clear(id));
    await firewallLock.run(async () => {
      await tearDownNodeNetwork(node);
      await removeAllRecords(runDir);
      network = undefined;
    });
  }

  /** A process that was not told to set up first does it now. */
  async function readyNetwork(): Promise<NodeNetwork> {
    return network ?? firewallLock.run(async () => (network ??= await setUpNodeNetwork(node, undefined)));
  }

  function sandboxAt(id: InstanceId, address: string): Sandbox {
    return { id, address, netnsPath: namespacePath(names, id), hostname: id, files: sandboxFiles(sandboxDir(runDir, id)) };
  }
}
