import type { EndpointUrl } from '#src/claims/bind-claim.ts';

export interface PublicPlace {
  /** Where the API is reached, without a trailing slash. With THAW_PORT=0 it is known once the API listens. */
  url: string;
  readonly gatewayDomain: string | undefined;
}

/**
 * The URL of an instance's port for those who hold its claim, without a trailing slash. An http port is reached through the gateway, at a
 * host of its own where there is a domain; a tcp port directly. By its number, not its name: two names may mean one port, and a name may be
 * too long for a label of a host name.
 */
export function createEndpointUrl(place: PublicPlace): EndpointUrl {
  return (claim, { port, addressPort, protocol }, address) => {
    if (protocol === 'tcp') return `tcp://${address}:${addressPort}`;
    if (place.gatewayDomain === undefined) return `${place.url}/i/${claim}/${port}`;
    return `${new URL(place.url).protocol}//${port}--${claim}.${place.gatewayDomain}`;
  };
}
