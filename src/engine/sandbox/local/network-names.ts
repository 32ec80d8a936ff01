import { InstanceId } from '#src/platform/ids.ts';

/** What we call our things on the host: all derive from the data directory's tag, so that two Thaws do not meet and leftovers are known. */
export interface NetworkNames {
  readonly bridge: string;
  /** Of the nftables tables, one in the family `inet`, one in `bridge`. */
  readonly table: string;
  /** Of the veth end on the bridge; the slot of the address follows, in three hex digits. */
  readonly portPrefix: string;
  readonly namespacePrefix: string;
}

/** `tag`: six hex digits. */
export function networkNames(tag: string): NetworkNames {
  return { bridge: `thaw-${tag}`, table: `thaw_${tag}`, portPrefix: `thaw-${tag}-`, namespacePrefix: `thaw-${tag}-` };
}

/** 15 characters: the longest name that Linux gives an interface. */
export function portName(names: NetworkNames, slot: number): string {
  return names.portPrefix + slot.toString(16).padStart(3, '0');
}

/** Where `ip netns` looks for namespaces. */
export const namespacesDir = '/run/netns';

export function namespaceName(names: NetworkNames, id: InstanceId): string {
  return names.namespacePrefix + id;
}

export function namespacePath(names: NetworkNames, id: InstanceId): string {
  return `${namespacesDir}/${namespaceName(names, id)}`;
}

/** Undefined when the namespace is not one of ours. */
export function instanceOfNamespace(names: NetworkNames, namespace: string): InstanceId | undefined {
  if (!namespace.startsWith(names.namespacePrefix)) return undefined;
  return InstanceId.safeParse(namespace.slice(names.namespacePrefix.length)).data;
}
