import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createEndpointUrl } from '#src/api/gateway/endpoint-url.ts';
import { createAddressReader } from '#src/api/gateway/gateway-address.ts';
import { takeLinkToken } from '#src/api/gateway/link-token.ts';
import { parseCidr } from '#src/platform/cidr.ts';
import { ConfigError, parseConfig } from '#src/platform/config.ts';
import { createClientReader } from '#src/platform/http/read-client.ts';
import { newClaimId } from '#src/platform/ids.ts';

const claim = newClaimId();

describe('THAW_HOST beyond loopback', () => {
  const open = { THAW_HOST: '0.0.0.0' };

  it('is refused without TLS, with the ways out', () => {
    expect(() => parseConfig(open)).toThrow(ConfigError);
    expect(() => parseConfig(open)).toThrow(/THAW_TLS_CERT and THAW_TLS_KEY.*THAW_HOST=127\.0\.0\.1.*THAW_INSECURE=1$/);
    expect(() => parseConfig({ ...open, THAW_INSECURE: '0' })).toThrow(ConfigError);
  });

  it('is taken with TLS or when asked for', () => {
    expect(parseConfig({ ...open, THAW_INSECURE: '1' })).toMatchObject({ host: '0.0.0.0', url: 'http://127.0.0.1:7070', tls: undefined });
    const tls = { THAW_TLS_CERT: '/c.pem', THAW_TLS_KEY: '/k.pem' };
    expect(parseConfig({ ...open, ...tls })).toMatchObject({
      url: 'https://127.0.0.1:7070',
      tls: { certPath: '/c.pem', keyPath: '/k.pem' },
    });
    for (const THAW_HOST of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) expect(parseConfig({ THAW_HOST }).host).toBe(THAW_HOST);
  });
});

describe('a setting of the gateway', () => {
  it('that can not be used is named', () => {
    expect(() => parseConfig({ THAW_TLS_CERT: '/c.pem' })).toThrow('go together');
    expect(() => parseConfig({ THAW_TRUSTED_PROXIES: '10.0.0.0/8, ten' })).toThrow('THAW_TRUSTED_PROXIES: ten');
    expect(() => parseConfig({ THAW_TRUSTED_PROXIES: '10.0.0.0/33' })).toThrow('10.0.0.0/33');
    expect(() => parseConfig({ THAW_GATEWAY_DOMAIN: 'https://x' })).toThrow('THAW_GATEWAY_DOMAIN');
    expect(parseConfig({ THAW_GATEWAY_DOMAIN: 'Thaw.Localhost:7070' }).gatewayDomain).toBe('thaw.localhost:7070');
  });
});

describe('an endpoint', () => {
  const port = { name: 'web', port: 8080, addressPort: 41_000, protocol: 'http' as const };

  it('is a host of its own where there is a domain, else a path; tcp is reached directly', () => {
    const place = { url: 'https://127.0.0.1:7070', gatewayDomain: 'thaw.localhost:7070' };
    expect(createEndpointUrl(place)(claim, port, '10.0.0.2')).toBe(`https://8080--${claim}.thaw.localhost:7070`);
    expect(createEndpointUrl({ ...place, gatewayDomain: undefined })(claim, port, '10.0.0.2')).toBe(
      `https://127.0.0.1:7070/i/${claim}/8080`,
    );
    expect(createEndpointUrl(place)(claim, { ...port, protocol: 'tcp' }, '10.0.0.2')).toBe('tcp://10.0.0.2:41000');
  });
});

describe('an address of the gateway', () => {
  const read = createAddressReader('thaw.localhost:7070');

  it('is read from the host, whatever its port and case, also for names that hold --', () => {
    const address = { claim, port: '8080', prefix: '', target: '/a?b' };
    expect(read(`8080--${claim}.thaw.localhost:7070`, '/a?b')).toEqual(address);
    expect(read(`8080--${claim.toUpperCase()}.THAW.localhost.:80`, '/a?b')).toEqual(address);
    expect(read(`a--b--${claim}.thaw.localhost`, '/i/x/y/')).toEqual({ ...address, port: 'a--b', target: '/i/x/y/' });
  });

  it('is none for other hosts and paths', () => {
    for (const host of [
      'thaw.localhost',
      `8080--${claim}.other`,
      `8080--${claim}.evil-thaw.localhost`,
      `x.8080--${claim}.thaw.localhost`,
    ]) {
      expect(read(host, '/v1/claims')).toBeUndefined();
    }
    for (const url of ['/', '/i', '/instances', '/I/a/b', '*', 'http://x/i/a/b/']) expect(read('thaw.localhost', url)).toBeUndefined();
  });

  it('is read from the path as it is written', () => {
    expect(read('x', `/i/${claim}/web/%2e%2e/a?b=/c`)).toEqual({ claim, port: 'web', prefix: `/i/${claim}/web`, target: '/%2e%2e/a?b=/c' });
    expect(read('x', `/i/${claim}/web?a`)).toMatchObject({ port: 'web', target: '?a' });
    expect(read('x', '/i/')).toMatchObject({ claim: '', port: '', target: '' });
  });
});

describe("a link's token", () => {
  it('is taken out of the query and nothing else', () => {
    expect(takeLinkToken('/a?thaw_token=t')).toEqual({ token: 't', target: '/a' });
    expect(takeLinkToken('/a?b=1&thaw_token=t&c=%20')).toEqual({ token: 't', target: '/a?b=1&c=%20' });
    expect(takeLinkToken('/thaw_token=t')).toEqual({ token: undefined, target: '/thaw_token=t' });
    expect(takeLinkToken('/a?my_thaw_token=t')).toEqual({ token: undefined, target: '/a?my_thaw_token=t' });
  });
});

describe('the client behind a proxy', () => {
  const read = createClientReader(['10.0.0.0/8', 'fd00::/8'].flatMap((text) => parseCidr(text) ?? []));
  const addressOf = (peer: string, headers: Record<string, string>) => {
    const socket = new Socket();
    Object.defineProperty(socket, 'remoteAddress', { value: peer });
    const request = new IncomingMessage(socket);
    Object.assign(request.headers, headers);
    return read(request).address;
  };

  it('is the nearest address that no trusted proxy has', () => {
    expect(addressOf('203.0.113.1', { 'x-forwarded-for': '6.6.6.6' })).toBe('203.0.113.1');
    expect(addressOf('10.0.0.1', { 'x-forwarded-for': '6.6.6.6, 203.0.113.1, 10.0.0.7' })).toBe('203.0.113.1');
    expect(addressOf('::ffff:10.0.0.1', { 'x-forwarded-for': '2001:db8::1' })).toBe('2001:db8::1');
    expect(addressOf('10.0.0.1', {})).toBe('10.0.0.1');
    expect(addressOf('10.0.0.1', { 'x-forwarded-for': 'unknown, 10.0.0.7' })).toBe('10.0.0.7');
  });
});
