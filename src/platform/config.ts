import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { unescape as unescapePercent } from 'node:querystring'; // does not throw, as decodeURIComponent does
import { z } from 'zod';
import { type Cidr, parseCidr } from './cidr.ts';
import { DataDir, dataPaths } from './data-paths.ts';
import type { GoldenKeySettings, WrappingKeySource } from './golden-key-settings.ts';
import { Name } from './ids.ts';
import type { TraceExport } from './tracing-export.ts';
import { wholeNumber } from './whole-number.ts';

const megabytes = wholeNumber('megabytes from 0 to 1000000000', 0, 1_000_000_000);
const servedPort = wholeNumber('a port from 0 to 65535', 0, 65535);
const reachedPort = wholeNumber('a port from 1 to 65535', 1, 65535);

/** The settings of Thaw: the only place that reads the environment. Every one has a default that works on one machine. */
const Environment = z.object({
  THAW_PORT: servedPort.default(7070),
  THAW_HOST: z.string().min(1).default('127.0.0.1'),
  THAW_DATA_DIR: DataDir.prefault('/var/lib/thaw'),
  THAW_API_KEY: z
    .string()
    .min(16, 'at least 16 characters')
    .max(256)
    .regex(/^[\x21-\x7e]*$/, 'printable ASCII without blanks')
    .optional(),
  THAW_TOKEN_KEY_FILE: z.string().startsWith('/', 'an absolute path').optional(),
  THAW_URL: z
    .string()
    .refine((text) => URL.canParse(text) && /^https?:\/\/[^@?#]+$/.test(text), 'an http:// or https:// URL without user, ? and #')
    .optional(),
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
  THAW_GOLDEN_DISK_MB: wholeNumber('megabytes from 1 to 1000000000', 1, 1_000_000_000).optional(),
  THAW_HOST_PORTS: z.string().default(''),
  THAW_SIGNING_KEY: z.string().optional(),
  THAW_TRUSTED_KEYS: z.string().optional(),
  THAW_ENCRYPTION_KEY_FILE: z.string().optional(),
  THAW_ENCRYPTION_KEY: z
    .string()
    .regex(/^([0-9a-fA-F]{64}|[A-Za-z0-9+/_-]{43}=?)$/, '32 bytes as hex or base64')
    .optional(),
  THAW_ENCRYPTION_COMMAND: z.string().optional(),
  REDIS_URL: z
    .string()
    .regex(/^(redis|rediss|unix):\/\//, 'redis://, rediss:// or unix://')
    .optional(),
  THAW_AGENT_LISTEN: z
    .string()
    .regex(/^[^:\s]+:[^:]+$/, 'host:port')
    .optional(),
  THAW_AGENT_TOKEN: z.string().min(16, 'at least 16 characters').max(256).optional(),
  THAW_GATEWAY_DOMAIN: z
    .string()
    .toLowerCase()
    .regex(
      /^[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*(?::\d{1,5})?$/,
      'a domain, with a port where it is not the usual one: thaw.localhost:7070',
    )
    .optional(),
  THAW_TLS_CERT: z.string().optional(),
  THAW_TLS_KEY: z.string().optional(),
  THAW_TRUSTED_PROXIES: z.string().default(''),
  THAW_INSECURE: z
    .enum(['0', '1'])
    .transform((value) => value === '1')
    .default(false),
  OTEL_EXPORTER_OTLP_ENDPOINT: z.url({ protocol: /^https?$/, error: 'an http:// or https:// URL' }).optional(),
  OTEL_EXPORTER_OTLP_HEADERS: z.string().default(''),
  OTEL_SERVICE_NAME: z.string().max(255).default('thaw'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

/** The names of all settings. */
export const settingNames: readonly string[] = Object.keys(Environment.shape);

export interface Config {
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly apiKey: string | undefined;
  /** What tenant tokens are signed with, shared by the replicas of an API; undefined: a file of the data directory, made when needed. */
  readonly tokenKeyFile: string | undefined;
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
  /** What the goldens of a node may take together; undefined: what the disk has. */
  readonly goldenDiskBytes: number | undefined;
  /** TCP ports of this host that instances may reach. */
  readonly hostPorts: readonly number[];
  /** What goldens are signed, trusted and encrypted with. */
  readonly goldenKeys: GoldenKeySettings;
  /** Undefined means the embedded server. */
  readonly redisUrl: string | undefined;
  /** Where the node agent listens when API and workers are on machines apart; undefined means a unix socket. */
  readonly agentListen: { readonly host: string; readonly port: number; readonly token: string } | undefined;
  /** What the API shows to agents that are reached by an address. */
  readonly agentToken: string | undefined;
  /** Instances are reached at `{port}--{claim}.` and this, a `:port` included; undefined means by path alone. */
  readonly gatewayDomain: string | undefined;
  /** Paths of PEM files; undefined means HTTP without TLS. */
  readonly tls: { readonly certPath: string; readonly keyPath: string } | undefined;
  /** Whose X-Forwarded headers are believed. */
  readonly trustedProxies: readonly Cidr[];
  /** Where requests are traced to; undefined: nowhere. */
  readonly traceExport: TraceExport | undefined;
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
  const dataDir = e.THAW_DATA_DIR;
  const tls = parseTls(e.THAW_TLS_CERT, e.THAW_TLS_KEY);
  if (!tls && !e.THAW_INSECURE && !isLoopback(e.THAW_HOST)) throw readableByOthers(e.THAW_HOST);
  return {
    host: e.THAW_HOST,
    port: e.THAW_PORT,
    apiKey: e.THAW_API_KEY,
    tokenKeyFile: e.THAW_TOKEN_KEY_FILE,
    url: (e.THAW_URL ?? `${tls ? 'https' : 'http'}://${reachableHost(e.THAW_HOST)}:${e.THAW_PORT}`).replace(/\/+$/, ''),
    engine: e.THAW_ENGINE,
    sandbox: e.THAW_SANDBOX,
    node: e.THAW_NODE,
    imageRoots: list(e.THAW_IMAGE_ROOTS, ':').map((path) => resolve(path)),
    registryAuthFile: e.THAW_REGISTRY_AUTH_FILE,
    insecureRegistries: list(e.THAW_INSECURE_REGISTRIES, ','),
    memoryReserveBytes: e.THAW_MEMORY_RESERVE_MB * 1024 * 1024,
    diskReserveBytes: e.THAW_DISK_RESERVE_MB * 1024 * 1024,
    goldenDiskBytes: e.THAW_GOLDEN_DISK_MB === undefined ? undefined : e.THAW_GOLDEN_DISK_MB * 1024 * 1024,
    hostPorts: list(e.THAW_HOST_PORTS, ',').map((part) => parsePort('THAW_HOST_PORTS', part)),
    goldenKeys: {
      signingKeyFile: e.THAW_SIGNING_KEY && resolve(e.THAW_SIGNING_KEY),
      trustedKeyPaths: e.THAW_TRUSTED_KEYS === undefined ? undefined : list(e.THAW_TRUSTED_KEYS, ',').map((path) => resolve(path)),
      encryption: parseEncryption(e),
    },
    redisUrl: e.REDIS_URL,
    agentListen: parseAgentListen(e.THAW_AGENT_LISTEN, e.THAW_AGENT_TOKEN),
    agentToken: e.THAW_AGENT_TOKEN,
    gatewayDomain: e.THAW_GATEWAY_DOMAIN,
    tls,
    trustedProxies: parseProxies(e.THAW_TRUSTED_PROXIES),
    traceExport: parseTraceExport(e),
    logLevel: e.LOG_LEVEL,
    paths: dataPaths(dataDir),
    tag: createHash('sha256').update(dataDir).digest('hex').slice(0, 6),
  };
}

/** A server on all addresses is reached on this machine by loopback; an IPv6 address stands in brackets. */
function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}

function list(text: string, separator: string): string[] {
  return text.split(separator).flatMap((part) => (part.trim() === '' ? [] : [part.trim()]));
}

function parseAgentListen(listen: string | undefined, token: string | undefined): Config['agentListen'] {
  if (listen === undefined) return undefined;
  if (token === undefined)
    throw new ConfigError('THAW_AGENT_LISTEN needs THAW_AGENT_TOKEN: an address is open to others, a socket file is not');
  const [host = '', port] = listen.split(':');
  return { host, port: parsePort('THAW_AGENT_LISTEN', port), token };
}

/** `name=value` pairs separated by commas, values percent-encoded, as OpenTelemetry has them. */
function parseTraceExport(e: z.infer<typeof Environment>): TraceExport | undefined {
  const endpoint = e.OTEL_EXPORTER_OTLP_ENDPOINT;
  if (endpoint === undefined) return undefined;
  const headers = list(e.OTEL_EXPORTER_OTLP_HEADERS, ',').map((pair) => {
    const [, name, value] = /^([^=\s]+)=(.*)$/.exec(pair) ?? [];
    if (name === undefined || value === undefined) {
      throw new ConfigError('OTEL_EXPORTER_OTLP_HEADERS must be name=value pairs with commas between them');
    }
    return [name, unescapePercent(value)];
  });
  return { endpoint, headers: Object.fromEntries(headers), serviceName: e.OTEL_SERVICE_NAME };
}

function parseEncryption(e: z.infer<typeof Environment>): WrappingKeySource | undefined {
  const [program, ...args] = list(e.THAW_ENCRYPTION_COMMAND ?? '', ' ');
  const sources: WrappingKeySource[] = [
    ...(e.THAW_ENCRYPTION_KEY_FILE === undefined ? [] : [{ kind: 'file', path: resolve(e.THAW_ENCRYPTION_KEY_FILE) } as const]),
    ...(e.THAW_ENCRYPTION_KEY === undefined ? [] : [{ kind: 'environment', text: e.THAW_ENCRYPTION_KEY } as const]),
    ...(program === undefined ? [] : [{ kind: 'command', argv: [program, ...args] } as const]),
  ];
  if (sources.length <= 1) return sources[0];
  throw new ConfigError('THAW_ENCRYPTION_KEY_FILE, THAW_ENCRYPTION_KEY and THAW_ENCRYPTION_COMMAND say where one key is: set one of them');
}

function parseTls(certPath: string | undefined, keyPath: string | undefined): Config['tls'] {
  if (certPath !== undefined && keyPath !== undefined) return { certPath: resolve(certPath), keyPath: resolve(keyPath) };
  if (certPath === undefined && keyPath === undefined) return undefined;
  throw new ConfigError('THAW_TLS_CERT and THAW_TLS_KEY go together: set both, or neither');
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function readableByOthers(host: string): ConfigError {
  return new ConfigError(
    `THAW_HOST ${host} is reached from other machines, and without TLS keys and tokens cross the network readable: set THAW_TLS_CERT and \
THAW_TLS_KEY; or THAW_HOST=127.0.0.1 with a proxy before it that speaks TLS; or, on a network of your own, THAW_INSECURE=1`,
  );
}

function parseProxies(text: string): Cidr[] {
  return list(text, ',').map((part) => {
    const cidr = parseCidr(part);
    if (cidr === undefined) throw new ConfigError(`THAW_TRUSTED_PROXIES: ${part} is no network like 10.0.0.0/8, nor an address`);
    return cidr;
  });
}

function parsePort(setting: string, text: string | undefined): number {
  const port = reachedPort.safeParse(text);
  if (!port.success) throw new ConfigError(`${setting}: ${port.error.issues[0]?.message}`);
  return port.data;
}
