import { describe, expect, it } from 'vitest';
import { AddressPool } from '#src/engine/sandbox/local/address-pool.ts';
import { hostNetworks } from '#src/engine/sandbox/local/host-routes.ts';
import { instanceDns } from '#src/engine/sandbox/local/resolvers.ts';
import { findSubnet, formatSubnet, parseRange, subnetOf } from '#src/engine/sandbox/local/subnet.ts';
import { newInstanceId } from '#src/platform/ids.ts';

function chosen(tag: string, ...taken: string[]): string | undefined {
  const subnet = findSubnet(tag, taken.map(parseRange));
  return subnet && formatSubnet(subnet);
}

describe('the networks of the host', () => {
  const route = (dst: string, more: object = {}) => ({ dst, dev: 'eth0', ...more });

  it('are its addresses and what it reaches without a router, public or not, in ranges that do not meet', () => {
    const listed = [
      route('203.0.113.0/24', { scope: 'link' }),
      route('203.0.114.0/24', { scope: 'link' }),
      route('198.51.100.1', { scope: 'link' }),
      route('192.0.2.7', { type: 'local', table: 'local' }),
      route('203.0.113.255', { type: 'broadcast', table: 'local' }),
      route('127.0.0.0/8', { type: 'local', dev: 'lo' }),
    ];
    expect(hostNetworks(listed, { bridge: 'thaw-abc123' })).toEqual([
      '127.0.0.0-127.255.255.255',
      '192.0.2.7',
      '198.51.100.1',
      '203.0.113.0-203.0.114.255',
    ]);
  });

  it('are not what lies behind a router, what is refused, default routes by whatever name, nor our own bridge', () => {
    const listed = [
      route('default', { gateway: '203.0.113.1' }),
      route('default', { dev: 'tun0', scope: 'link' }),
      route('0.0.0.0/1', { dev: 'tun0', scope: 'link' }),
      route('198.51.100.0/24', { gateway: '203.0.113.1' }),
      route('198.51.101.0/24', { via: { family: 'inet6', host: 'fe80::1' } }),
      route('198.51.102.0/24', { nexthops: [] }),
      route('192.0.2.0/24', { type: 'unreachable' }),
      route('10.18.48.0/20', { dev: 'thaw-abc123', scope: 'link' }),
    ];
    expect(hostNetworks(listed, { bridge: 'thaw-abc123' })).toEqual([]);
  });
});

describe('the subnet', () => {
  it('derives from the tag', () => {
    expect(chosen('000000')).toBe('10.0.0.0/20');
    expect(chosen('abc123')).toBe('10.18.48.0/20');
    expect(chosen('ffffff')).toBe('10.255.240.0/20');
  });

  it('is the next one when a route or an address of the host lies in it, or around it', () => {
    expect(chosen('abc123', '10.18.50.7')).toBe('10.18.64.0/20');
    expect(chosen('abc123', '10.18.48.0/24', '10.18.64.0/18')).toBe('10.18.128.0/20');
    expect(chosen('ffffff', '10.255.0.0/16')).toBe('10.0.0.0/20');
  });

  it('leaves 10.0.0.0/8 only when the host routes all of it', () => {
    expect(chosen('000000', '10.0.0.0/8')).toBe('172.16.0.0/20');
    expect(chosen('000000', '10.0.0.0/8', '172.16.0.0/12')).toBe('192.168.0.0/20');
    expect(chosen('000000', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16')).toBeUndefined();
  });
});

describe('the addresses', () => {
  const subnet = subnetOf('10.18.48.1');

  it('are all but the network, the gateway and the broadcast address, each once', () => {
    const pool = new AddressPool(subnet);
    const addresses = new Set(Array.from({ length: 4093 }, () => pool.take(newInstanceId())));
    expect(addresses.size).toBe(4093);
    for (const reserved of ['10.18.48.0', '10.18.48.1', '10.18.63.255']) expect(addresses).not.toContain(reserved);
    expect(() => pool.take(newInstanceId())).toThrow(expect.objectContaining({ code: 'addresses_exhausted' }));
  });

  it('that were freed come back last', () => {
    const pool = new AddressPool(subnet);
    const id = newInstanceId();
    const freed = pool.take(id);
    pool.release(id);
    const next = Array.from({ length: 4092 }, () => pool.take(newInstanceId()));
    expect(next).not.toContain(freed);
    expect(pool.take(newInstanceId())).toBe(freed);
  });
});

describe('the resolvers', () => {
  it('are those of the host that an instance can reach', () => {
    const host = '# by hand\nnameserver 10.0.0.2\nnameserver fd00::1\nnameserver 169.254.169.254\nnameserver 8.8.8.8 \noptions ndots:2\n';
    expect(instanceDns(host, '')).toEqual({
      resolvers: ['10.0.0.2', '8.8.8.8'],
      resolvConf: 'nameserver 10.0.0.2\nnameserver 8.8.8.8\noptions ndots:2\n',
    });
  });

  it('stand behind a loopback resolver of systemd', () => {
    const upstream = 'nameserver 192.0.2.1\nnameserver 192.0.2.2\n';
    expect(instanceDns('nameserver 127.0.0.53\nsearch lan\n', upstream).resolvConf).toBe(
      'nameserver 192.0.2.1\nnameserver 192.0.2.2\nsearch lan\n',
    );
  });

  it('are none when all are loopback and nothing is known behind them', () => {
    expect(instanceDns('nameserver 127.0.0.1\n', '')).toEqual({ resolvers: [], resolvConf: '' });
  });
});
