/** IPv4 arithmetic on a /20, without side effects. Addresses are numbers here and dotted text everywhere else. */
export interface Subnet {
  /** The first address, which names the subnet. */
  readonly network: number;
}

/** First and last address, both included. */
export interface AddressRange {
  readonly first: number;
  readonly last: number;
}

export const subnetBits = 20;
const subnetSize = 2 ** (32 - subnetBits);

/** Offsets in the subnet that instances can have: behind the gateway, before the broadcast address. */
export const firstSlot = 2;
export const lastSlot = subnetSize - 2;

/** 10.0.0.0/8; the others only where a host routes all of it elsewhere, as company networks do. */
const privateRanges = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(parseRange);

/** The subnet that the tag points to, or the next one that meets nothing of `taken`. Undefined when all are taken. */
export function findSubnet(tag: string, taken: readonly AddressRange[]): Subnet | undefined {
  for (const range of privateRanges) {
    const places = (range.last - range.first + 1) / subnetSize;
    const preferred = Number.parseInt(tag, 16) % places;
    for (let step = 0; step < places; step++) {
      const subnet = { network: range.first + ((preferred + step) % places) * subnetSize };
      if (!overlapsAny(subnet, taken)) return subnet;
    }
  }
  return undefined;
}

export function overlapsAny(subnet: Subnet, ranges: readonly AddressRange[]): boolean {
  const last = subnet.network + subnetSize - 1;
  return ranges.some((range) => range.first <= last && range.last >= subnet.network);
}

/** The subnet that an address of it, such as the bridge's, lies in. */
export function subnetOf(address: string): Subnet {
  const number = parseAddress(address);
  return { network: number - (number % subnetSize) };
}

/** `10.1.16.0/20`. */
export function formatSubnet(subnet: Subnet): string {
  return `${formatAddress(subnet.network)}/${subnetBits}`;
}

export function gatewayOf(subnet: Subnet): string {
  return formatAddress(subnet.network + 1);
}

export function addressAt(subnet: Subnet, slot: number): string {
  return formatAddress(subnet.network + slot);
}

/** The place of an address in its subnet. */
export function slotOf(address: string): number {
  return parseAddress(address) % subnetSize;
}

/** Locally administered, and the same whenever the address is: what a neighbour has cached stays right. */
export function macOf(address: string): string {
  return ['02', '54', ...address.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))].join(':');
}

/** `10.0.0.0/8`, or a single address. */
export function parseRange(text: string): AddressRange {
  const [address = '', bits = '32'] = text.split('/');
  const size = 2 ** (32 - Number(bits));
  const number = parseAddress(address);
  const first = number - (number % size);
  return { first, last: first + size - 1 };
}

/** The same addresses as ranges that neither overlap nor touch, in order. */
export function mergeRanges(ranges: readonly AddressRange[]): AddressRange[] {
  const merged: AddressRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before && range.first <= before.last + 1) merged.splice(-1, 1, { first: before.first, last: Math.max(before.last, range.last) });
    else merged.push(range);
  }
  return merged;
}

/** `10.0.0.0-10.0.0.255`, or a single address. */
export function formatRange({ first, last }: AddressRange): string {
  return first === last ? formatAddress(first) : `${formatAddress(first)}-${formatAddress(last)}`;
}

function parseAddress(text: string): number {
  return text.split('.').reduce((number, byte) => number * 256 + Number(byte), 0);
}

function formatAddress(number: number): string {
  return [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.');
}
