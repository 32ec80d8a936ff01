import type { SandboxProvider } from '#src/engine/sandbox/sandbox.ts';
import type { Egress } from '#src/engine/workload.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { KeyedMutex } from '#src/platform/semaphore.ts';
import { allowInternet, denyInternet } from './firewall.ts';
import { turnForwardingOn } from './forwarding.ts';
import { type NetworkNames, networkNames } from './network-names.ts';
import { changeSandboxRecord, readSandboxRecord } from './sandbox-records.ts';

export interface EgressDeps {
  readonly names: NetworkNames;
  readonly dataDir: string;
  /** A tmpfs. */
  readonly runDir: string;
}

/**
 * Changes the egress of sandboxes that another process, the provider's, made and looks after. It knows their records and the set of the
 * firewall, nothing else: it never sets anything up.
 */
export function createEgressSwitch({ tag, ...deps }: Omit<EgressDeps, 'names'> & { tag: string }): Pick<SandboxProvider, 'setEgress'> {
  const names = networkNames(tag);
  const oneAtATime = new KeyedMutex();
  return { setEgress: (id, egress) => oneAtATime.run(id, () => switchEgress({ ...deps, names }, id, egress)) };
}

/**
 * Makes the record and then the firewall say so. Two processes do this without a lock between them; that no address is let out against its
 * record, or stays shut in against it, rests on the order of the steps here and in agreeOnInternet (agree-on-internet.ts):
 *
 * - Letting out: the record first, then the set. Who sees the address in the set and reads the record after that finds it there.
 * - Shutting in: out of the set, then the record, then out of the set again, should the provider have put it back by the old record.
 * - Removal takes the record away before it shuts the address in. A change that was too late for that sees so at its end, and undoes it.
 *
 * What a killed process leaves in between, agreeOnInternet mends; until then a free address is in nobody's hands (AddressPool).
 */
export async function switchEgress({ names, dataDir, runDir }: EgressDeps, id: InstanceId, egress: Egress): Promise<void> {
  const record = await readSandboxRecord(runDir, id);
  if (!record?.made) throw notHere(id);
  const { address } = record;
  if (egress === 'none') {
    if (record.egress === 'none') return;
    await denyInternet(names, address);
    await changeSandboxRecord(runDir, id, { ...record, egress });
    return denyInternet(names, address);
  }
  if (!(await changeSandboxRecord(runDir, id, { ...record, egress }))) throw notHere(id);
  await turnForwardingOn(dataDir);
  await allowInternet(names, address);
  if ((await readSandboxRecord(runDir, id))?.egress === 'internet') return;
  await denyInternet(names, address);
  throw notHere(id);
}

function notHere(id: InstanceId): ThawError {
  return new ThawError('instance_not_found', `no sandbox of ${id} on this node, so no egress to set`);
}
