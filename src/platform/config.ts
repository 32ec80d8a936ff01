import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { Name } from './ids.ts';

const megabytes = z.coerce.number().int().min(0).max(1_000_000_000);

/** The settings of Thaw: the only place that reads the environment. Every one has a default that works on one machine. */
const Environment = z.object({
  THAW_PORT: z.coerce.number().int().min(0).max(65535).default(7070),
  THAW_HOST: z.string().min(1).default('127.0.0.1'),
  THAW_DATA_DIR: z.string().startsWith('/', 'an absolute path').default('/var/lib/thaw'),
  THAW_API_KEY: z
    .string()
    .min(16, 'at least 16 characters')
    .max(256)
    .regex(/^[\x21-\x7e]*$/, 'printable ASCII without blanks')
    .optional(),
  THAW_URL: z.url({ protocol: /^https?$/, error: 'an http:// or https:// URL' }).optional(),
  THAW_ENGINE: z.enum(['criu', 'memory']).default('criu'),
  THAW_SANDBOX: z.enum(['local', 'pod']).default('local'),
  THAW_NODE: Name.default(
    () =>
      hostname()
        .toLowerCase()
        .replace(/[^a-z0-9-]/g, '-')
        .replace(/^-+|-+$/g, '')
        .slice(0, 63) || 'node',
  ),
  THAW_IMAGE_ROOTS: z.string().default(''),
  THAW_REGISTRY_AUTH_FILE: z.string().optional(),
  THAW_INSECURE_REGISTRIES: z.string().default(''),
  THAW_MEMORY_RESERVE_MB: megabytes.default(1024),
  THAW_DISK_RESERVE_MB: megabytes.default(2048),
  THAW_HOST_PORTS: z.string().default(''),
  REDIS_URL: z
    .string()
    .regex(/^(redis|rediss|unix):\/\//, 'redis://, rediss:// or unix://')
    .optional(),
  THAW_AGENT_LISTEN: z
    .string()
    .regex(/^[^:\s]+:\d{1,5}$/, 'host:port')
    .optional(),
  THAW_AGENT_TOKEN: z.string().min(16, 'at least 16 characters').max(256).optional(),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

/** The names of all settings. */
export const settingNames: readonly string[] = Object.keys(Environment.shape);

export interface Config {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly apiKey: string | undefined;
  /** Where the commands that speak REST find Thaw, without a trailing slash. */
  readonly url: string;
  readonly engine: 'criu' | 'memory';
  readonly sandbox: 'local' | 'pod';
  readonly node: string;
  /** Directories under which `dir:` and archive images may lie. */
  readonly imageRoots: readonly string[];
  readonly registryAuthFile: string | undefined;
  /** `host:port` of registries spoken to without TLS. */
  readonly insecureRegistries: readonly string[];
  readonly memoryReserveBytes: number;
  readonly diskReserveBytes: number;
  /** TCP ports of this host that instances may reach. */
  readonly hostPorts: readonly number[];
  /** Undefined means the embedded server. */
  readonly redisUrl: string | undefined;
  /** Where the node agent listens when API and workers are on machines apart; undefined means a unix socket. */
  readonly agentListen: { readonly host: string; readonly port: number; readonly token: string } | undefined;
  /** What the API shows to agents that are reached by an address. */
  readonly agentToken: string | undefined;
  readonly logLevel: string;
  readonly paths: DataPaths;
  /** Six hex digits of the data directory: part of every name of ours on the host, so that two Thaws do not meet. */
  readonly tag: string;
}

export type DataPaths = ReturnType<typeof dataPaths>;

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Throws ConfigError that lists every wrong setting by name. */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = Environment.safeParse(set);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`);
    throw new ConfigError(`These settings can not be used:\n${lines.join('\n')}`);
  }
  const e = parsed.data;
  const dataDir = realPath(resolve(e.THAW_DATA_DIR));
  return {
    host: e.THAW_HOST,
    port: e.THAW_PORT,
    apiKey: e.THAW_API_KEY,
    url: (e.THAW_URL ?? `http://${reachableHost(e.THAW_HOST)}:${e.THAW_PORT}`).replace(/\/+$/, ''),
    engine: e.THAW_ENGINE,
    sandbox: e.THAW_SANDBOX,
    node: e.THAW_NODE,
    imageRoots: list(e.THAW_IMAGE_ROOTS, ':').map((path) => resolve(path)),
    registryAuthFile: e.THAW_REGISTRY_AUTH_FILE,
    insecureRegistries: list(e.THAW_INSECURE_REGISTRIES, ','),
    memoryReserveBytes: e.THAW_MEMORY_RESERVE_MB * 1024 * 1024,
    diskReserveBytes: e.THAW_DISK_RESERVE_MB * 1024 * 1024,
    hostPorts: parsePorts(e.THAW_HOST_PORTS),
    redisUrl: e.REDIS_URL,
    agentListen: parseAgentListen(e.THAW_AGENT_LISTEN, e.THAW_AGENT_TOKEN),
    agentToken: e.THAW_AGENT_TOKEN,
    logLevel: e.LOG_LEVEL,
    paths: dataPaths(dataDir),
    tag: createHash('sha256').update(dataDir).digest('hex').slice(0, 6),
  };
}

/** Where things lie below the data directory. `run` is a tmpfs: what must never touch a disk, and what ends with the boot. */
function dataPaths(dataDir: string) {
  return {
    dataDir,
    lock: join(dataDir, 'thaw.lock'),
    adminKey: join(dataDir, 'admin.key'),
    node: join(dataDir, 'node'),
    fingerprintKey: join(dataDir, 'fingerprint.key'),
    redis: join(dataDir, 'redis'),
    images: join(dataDir, 'images'),
    goldens: join(dataDir, 'goldens'),
    instances: join(dataDir, 'instances'),
    logs: join(dataDir, 'logs'),
    run: join(dataDir, 'run'),
    agentSocket: join(dataDir, 'agent.sock'),
  };
}

/** A server on all addresses is reached on this machine by loopback; an IPv6 address stands in brackets. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

/**
 * With links resolved as far as the path exists: the kernel names mounts by their real paths, and the names of ours on the host derive
 * from it.
 */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}

function list(text: string, separator: string): string[] {
  return text.split(separator).flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
}

function parseAgentListen(listen: string | undefined, token: string | undefined): Config['agentListen'] {
  if (listen === undefined) return undefined;
  if (token === undefined)
    throw new ConfigError('THAW_AGENT_LISTEN needs THAW_AGENT_TOKEN: an address is open to others, a socket file is not');
  const [host = '', port] = listen.split(':');
  return { host, port: Number(port), token };
}

function parsePorts(text: string): number[] {
  return list(text, ',').map((part) => {
    const port = Number(part);
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw new ConfigError(`THAW_HOST_PORTS: ${part} is not a port (1 to 65535)`);
    return port;
  });
}
