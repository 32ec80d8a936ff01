import { allowInternet, denyInternet, listInternet } from './firewall.ts';
import type { NetworkNames } from './network-names.ts';
import { readAllRecords } from './sandbox-records.ts';

/**
 * Makes the firewall let out whom the records name, and nobody else. Answers false when it is not there.
 *
 * Another process may switch the egress of a sandbox at any moment (switchEgress). The set is read before the records: an address in the
 * set whose record says `none` after that has no switch under way that would let it out, for such a one writes the record first. What
 * changes between the reading and the change made here differs at the next reading, so it goes on until nothing does; what is put back
 * by a record just before a switch changes that, the switch removes itself, for it shuts in once more after its record.
 */
export async function agreeOnInternet(names: NetworkNames, runDir: string): Promise<boolean> {
  while (true) {
    const allowed = await listInternet(names);
    if (!allowed) return false;
    const records = [...(await readAllRecords(runDir)).values()];
    const recorded = new Set(records.filter(({ egress }) => egress === 'internet').map(({ address }) => address));
    const surplus = allowed.filter((address) => !recorded.has(address));
    const missing = [...recorded].filter((address) => !allowed.includes(address));
    if (surplus.length + missing.length === 0) return true;
    for (const address of surplus) await denyInternet(names, address);
    for (const address of missing) await allowInternet(names, address);
  }
}
