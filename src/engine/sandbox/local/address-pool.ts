import { randomInt } from 'node:crypto';
import { ThawError } from '#src/platform/errors.ts';
import type { InstanceId } from '#src/platform/ids.ts';
import { addressAt, firstSlot, lastSlot, type Subnet, slotOf } from './subnet.ts';

/**
 * Which instance has which address of the subnet. The truth are the records of the sandboxes; this is their index in memory.
 *
 * Addresses go round: one that was just freed comes back last, so that what is still under way to its old holder finds nobody.
 */
export class AddressPool {
  readonly #subnet: Subnet;
  readonly #slots = new Map<InstanceId, number>();
  readonly #taken = new Set<number>();
  #next = randomInt(firstSlot, lastSlot + 1); // a restarted process must not begin with those freed last

  constructor(subnet: Subnet) {
    this.#subnet = subnet;
  }

  /** Notes an address that an instance already has. */
  hold(id: InstanceId, address: string): void {
    this.release(id);
    this.#slots.set(id, slotOf(address));
    this.#taken.add(slotOf(address));
  }

  /** Throws addresses_exhausted. */
  take(id: InstanceId): string {
    const size = lastSlot - firstSlot + 1;
    if (this.#taken.size >= size) {
      throw new ThawError('addresses_exhausted', `no address for ${id}: all ${size} of this node are held by instances`, {
        fix: 'Release claims, make pools smaller, or add a node.',
      });
    }
    while (this.#taken.has(this.#next)) this.#advance();
    const address = addressAt(this.#subnet, this.#next);
    this.#advance();
    this.hold(id, address);
    return address;
  }

  release(id: InstanceId): void {
    const slot = this.#slots.get(id);
    if (slot === undefined) return;
    this.#slots.delete(id);
    this.#taken.delete(slot);
  }

  #advance(): void {
    this.#next = this.#next === lastSlot ? firstSlot : this.#next + 1;
  }
}
