import { once } from 'node:events';
import type { Server } from 'node:net';
import { isErrnoError } from './errno.ts';
import { messageOf, ThawError } from './errors.ts';
import { findPortHolder } from './port-holder.ts';

export interface ListenAddress {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** The settings that an address comes from. */
export interface ListenSettings {
  readonly host: string;
  readonly port: string;
}

/** Answers once the server listens. Throws node_unfit that says why it can not, who holds the port, and which setting to change. */
export async function listenAt(server: Server, { host, port }: ListenAddress, settings: ListenSettings): Promise<void> {
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, 'listening');
  } catch (error) {
    const { message, fix } = await explain(error, { host, port }, settings);
    throw new ThawError('node_unfit', message, { fix, cause: error });
  }
}

async function explain(error: unknown, { host, port }: ListenAddress, settings: ListenSettings): Promise<{ message: string; fix: string }> {
  const place = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  if (isErrnoError(error, 'EADDRINUSE')) {
    const holder = await findPortHolder(port);
    const fix = `Set ${settings.port} to a free port, or end what listens there.`;
    return { message: `${place} is in use${holder === undefined ? '' : ` by ${holder.name} (pid ${holder.pid})`}`, fix };
  }
  if (isErrnoError(error, 'EACCES')) {
    return { message: `${place} is not allowed to this user`, fix: `Set ${settings.port} to a port of 1024 or more, or run as root.` };
  }
  if (isErrnoError(error, 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN')) {
    const fix = `Set ${settings.host} to one that \`ip address\` shows, or to 127.0.0.1.`;
    return { message: `${host} is no address of this machine`, fix };
  }
  return { message: `nothing can listen on ${place}: ${messageOf(error)}`, fix: `Check ${settings.host} and ${settings.port}.` };
}
