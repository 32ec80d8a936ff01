import { z } from 'zod';

const Port = z.number().int().min(1).max(65535);
/** What becomes an argument or a variable of a process ends at the first NUL. */
function text(maxLength: number) {
  return z
    .string()
    .max(maxLength)
    .regex(/^[^\0]*$/, 'no NUL');
}

const Megabyte = 1024 * 1024;

/** A readiness or hook target inside an instance. */
export const HttpTarget = z.strictObject({
  port: Port,
  path: z
    .string()
    .max(1024)
    .regex(/^\/[\x21-\x7e]*$/, 'a path that begins with /, of printable ASCII without blanks'),
});

export const ReadyProbe = z
  .strictObject({
    http: HttpTarget.optional(),
    tcp: z.strictObject({ port: Port }).optional(),
    exec: z.strictObject({ command: z.array(z.string().max(4096)).min(1).max(256) }).optional(),
    timeoutMs: z.number().int().min(100).max(3_600_000).default(120_000),
    intervalMs: z.number().int().min(1).max(60_000).default(100),
  })
  .refine((probe) => [probe.http, probe.tcp, probe.exec].filter(Boolean).length === 1, 'exactly one of http, tcp and exec');
export type ReadyProbe = z.infer<typeof ReadyProbe>;

export const Resources = z.strictObject({
  memoryBytes: z
    .number()
    .int()
    .min(4 * Megabyte)
    .max(2 ** 46)
    .default(512 * Megabyte),
  /** Cores, e.g. 0.5. */
  cpus: z.number().min(0.01).max(1024).default(1),
  pids: z.number().int().min(1).max(4_000_000).default(512),
});
export type Resources = z.infer<typeof Resources>;

const Egress = z.enum(['none', 'internet']);
export type Egress = z.infer<typeof Egress>;

/** What an engine needs to know to run a container: the part of a template below the rooms. */
export const Workload = z.strictObject({
  image: z.string().min(1).max(4096),
  command: z.array(text(131_072)).min(1).max(1024).optional(),
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and _'), text(131_072)).default({}),
  workdir: text(4096).startsWith('/').optional(),
  /** `name`, `uid`, `uid:gid`; the image's USER when absent. */
  user: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)?$/)
    .max(128)
    .optional(),
  ports: z
    .array(z.strictObject({ name: z.string().regex(/^[a-z0-9-]{1,63}$/), port: Port, protocol: z.enum(['http', 'tcp']).default('http') }))
    .max(64)
    .default([]),
  resources: Resources.prefault({}),
  egress: z.strictObject({ warm: Egress.default('none'), claimed: Egress.default('none') }).prefault({}),
  /** Lets the kernel merge equal pages between clones (KSM). Off unless asked for: merging has a timing side channel between tenants. */
  shareMemory: z.boolean().default(false),
});
export type Workload = z.infer<typeof Workload>;
