import { z } from 'zod';
import { recordOf } from '#src/platform/record-of.ts';
import { Hooks } from './hooks.ts';
import { ImageText } from './image-reference.ts';
import { ExecTarget, HttpTarget, Port, text } from './targets.ts';

const Megabyte = 1024 * 1024;

export const ReadyProbe = z
  .strictObject({
    http: HttpTarget.optional(),
    tcp: z.strictObject({ port: Port }).optional(),
    exec: ExecTarget.optional(),
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

/** An endpoint is asked for by its name, and a port listened on by one app. */
function refuseRepeats(ports: readonly { name: string; port: number }[], ctx: z.RefinementCtx): void {
  for (const [index, one] of ports.entries()) {
    for (const field of ['name', 'port'] as const) {
      if (ports.findIndex((other) => other[field] === one[field]) === index) continue;
      ctx.addIssue({ code: 'custom', path: [index, field], message: `${one[field]} stands for another port already` });
    }
  }
}

/** What an engine needs to know to run a container: the part of a template below the rooms. */
export const Workload = z.strictObject({
  image: ImageText,
  command: z.array(text(131_072)).min(1).max(1024).optional(),
  env: recordOf(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'a name of letters, digits and _'), text(131_072)).default({}),
  workdir: text(4096).startsWith('/').optional(),
  /** `name`, `uid`, `uid:gid`; the image's USER when absent. */
  user: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+(?::[A-Za-z0-9_.-]+)?$/, 'a name, a uid or uid:gid')
    .max(128)
    .optional(),
  ports: z
    .array(z.strictObject({ name: z.string().regex(/^[a-z0-9-]{1,63}$/), port: Port, protocol: z.enum(['http', 'tcp']).default('http') }))
    .max(64)
    .superRefine(refuseRepeats)
    .default([]),
  resources: Resources.prefault({}),
  egress: z.strictObject({ warm: Egress.default('none'), claimed: Egress.default('none') }).prefault({}),
  /** Lets the kernel merge equal pages between clones (KSM). Off unless asked for: merging has a timing side channel between tenants. */
  shareMemory: z.boolean().default(false),
  /** Here, because the node agent, which runs the bind hook, knows an instance by the engine's own record alone. */
  hooks: Hooks.optional(),
});
export type Workload = z.infer<typeof Workload>;
