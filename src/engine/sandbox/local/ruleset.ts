import { type NetworkNames, portName } from './network-names.ts';
import { addressAt, firstSlot, formatSubnet, lastSlot, type Subnet } from './subnet.ts';

export interface Policy {
  /** TCP ports of the host that every instance may reach. */
  readonly hostPorts: readonly number[];
  /** Resolvers that instances with egress may ask, wherever they are. */
  readonly resolvers: readonly string[];
  /** Addresses of the instances that have egress to the internet. */
  readonly internet: readonly string[];
  /** Where the host is at home: no internet either, whatever the addresses (readHostNetworks). */
  readonly hostNetworks: readonly string[];
}

/** Never, not even for DNS: on most clouds whoever asks here gets the machine's credentials. */
const linkLocal = '169.254.0.0/16';

/**
 * Not the internet. Besides the private ranges: 100.64/10 holds carriers' and VPNs' networks and Alibaba's metadata, 192.0.0/24 Oracle's
 * metadata, 168.63.129.16 Azure's host.
 */
const notInternet = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

/**
 * The whole firewall as one transaction for `nft -f`: what was there is replaced at one instant.
 *
 * A drop of ours is final, an accept is not: nftables and iptables ask every table of a host. Where Docker or a firewall of the host has a
 * forward chain with policy drop, instances with egress `internet` stay without it until the admin lets the bridge through, with Docker by
 * `iptables -I DOCKER-USER -i BRIDGE -j ACCEPT` and the same for `-o BRIDGE`. Their tables are not ours to edit. What the host sends to
 * instances (readiness probes, endpoints) is not forwarded and needs nothing.
 */
export function ruleset(names: NetworkNames, subnet: Subnet, policy: Policy): string {
  const tables = { bridge: senderRules(names, subnet), inet: reachRules(names, subnet, policy) };
  return replaceTable('bridge', names.table, tables.bridge) + replaceTable('inet', names.table, tables.inet);
}

/** Replaces what the host's own networks are, at one instant. */
export function hostNetworksChange({ table }: NetworkNames, networks: readonly string[]): string {
  const added = networks.length === 0 ? '' : `add element inet ${table} host_networks { ${networks.join(', ')} }\n`;
  return `flush set inet ${table} host_networks\n${added}`;
}

/** Removes both tables, or what there is of them. */
export function emptyRuleset(names: NetworkNames): string {
  return removeTable('bridge', names.table) + removeTable('inet', names.table);
}

/**
 * Who may send what: from each port its own IPv4 address, in IP and ARP, and nothing else, so no IPv6 and no VLAN. All pairs are listed at
 * once: preparing a sandbox needs no change here, and no list can go stale. (`nft -t list ruleset` leaves them out.)
 */
function senderRules(names: NetworkNames, subnet: Subnet): string {
  const pairs: string[] = [];
  for (let slot = firstSlot; slot <= lastSlot; slot++) pairs.push(`"${portName(names, slot)}" . ${addressAt(subnet, slot)}`);
  return `
  set senders {
    type ifname . ipv4_addr
    elements = { ${pairs.join(', ')} }
  }
  chain prerouting {
    type filter hook prerouting priority filter; policy accept;
    iifname "${names.portPrefix}*" jump from_instance
  }
  chain from_instance {
    ether type ip iifname . ip saddr @senders accept
    ether type arp iifname . arp saddr ip @senders accept
    drop
  }`;
}

/**
 * Who may reach what. Only an answer is let in on the word of connection tracking, and only to a member of `internet`: whoever loses its
 * egress loses its open connections, and the next holder of an address gets nothing that was meant for the last.
 *
 * What instances send to any address of the host, public ones too, passes `to_host`; what the host's own NAT would redirect, to a
 * container's published port say, is refused in `to_outside`.
 */
function reachRules(names: NetworkNames, subnet: Subnet, policy: Policy): string {
  const dns =
    policy.resolvers.length === 0 ? '' : `ip daddr { ${policy.resolvers.join(', ')} } meta l4proto { tcp, udp } th dport 53 accept`;
  return `
  set internet {
    type ipv4_addr
    ${elements(policy.internet)}
  }
  set host_networks {
    type ipv4_addr; flags interval
    ${elements(policy.hostNetworks)}
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "${names.bridge}" jump to_host
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "${names.bridge}" jump to_outside
    oifname "${names.bridge}" jump to_instance
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${formatSubnet(subnet)} oifname != "${names.bridge}" masquerade
  }
  chain to_host {
    meta nfproto != ipv4 drop
    ct state established,related ct direction reply accept
    ${policy.hostPorts.length === 0 ? '' : `tcp dport { ${policy.hostPorts.join(', ')} } accept`}
    ${dns === '' ? '' : `ip saddr @internet ${dns}`}
    drop
  }
  chain to_outside {
    oifname "${names.bridge}" drop
    ip saddr != @internet drop
    ip daddr ${linkLocal} drop
    ${dns}
    ip daddr { ${notInternet.join(', ')} } drop
    ip daddr @host_networks drop
    ct status dnat drop
    meta nfproto ipv4 accept
    drop
  }
  chain to_instance {
    ip daddr @internet ct state established,related ct direction reply accept
    drop
  }`;
}

function elements(members: readonly string[]): string {
  return members.length === 0 ? '' : `elements = { ${members.join(', ')} }`;
}

/** Naming the table first makes its removal succeed when there is none (`destroy table` needs Linux 6.3). */
function removeTable(family: string, table: string): string {
  return `table ${family} ${table}\ndelete table ${family} ${table}\n`;
}

function replaceTable(family: string, table: string, body: string): string {
  return `${removeTable(family, table)}table ${family} ${table} {${body}\n}\n`;
}
