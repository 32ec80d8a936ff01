/** Where in the gateway a request is meant to go. Nothing of it is checked yet. */
export interface GatewayAddress {
  readonly claim: string;
  /** The name or the number of a port, as it was written. */
  readonly port: string;
  /** `/i/{claim}/{port}` where the path says it; empty where the host does. */
  readonly prefix: string;
  /** What the instance is asked for, path and query, as it came: never decoded, never made shorter. */
  readonly target: string;
}

/** Undefined: the request is the API's own. `host` as the client named it. */
export type ReadGatewayAddress = (host: string, url: string) => GatewayAddress | undefined;

/** Every request of the API passes through here: it costs two comparisons for those that are not for an instance. */
export function createAddressReader(domain: string | undefined): ReadGatewayAddress {
  const suffix = domain === undefined ? undefined : `.${withoutPort(domain)}`;
  return (host, url) => {
    if (suffix !== undefined && host.includes('--')) {
      const address = readHost(withoutPort(host.toLowerCase()), suffix, url);
      if (address !== undefined) return address;
    }
    return url.startsWith('/i/') ? readPath(url) : undefined;
  };
}

/** `{port}--{claim}`. A port's name may hold `--` itself; a claim's id does not. */
function readHost(host: string, suffix: string, url: string): GatewayAddress | undefined {
  if (!host.endsWith(suffix)) return undefined;
  const [, port, claim] = /^([a-z0-9-]+)--(clm-[a-z0-9]*)$/.exec(host.slice(0, -suffix.length)) ?? [];
  return port === undefined || claim === undefined ? undefined : { claim, port, prefix: '', target: url };
}

function readPath(url: string): GatewayAddress {
  const [, claim = '', port = '', target = ''] = /^\/i\/([^/?#]*)\/?([^/?#]*)(.*)$/s.exec(url) ?? [];
  return { claim, port, prefix: `/i/${claim}/${port}`, target };
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, '').replace(/\.$/, '');
}
