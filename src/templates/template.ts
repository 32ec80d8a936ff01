import { z } from '@hono/zod-openapi';
import { Unique } from '#src/engine/hooks.ts';
import { HttpTarget } from '#src/engine/targets.ts';
import { ReadyProbe, Workload } from '#src/engine/workload.ts';
import { Name } from '#src/platform/ids.ts';
import { CapturePolicy } from './capture-policy.ts';
import { KeepPolicy } from './keep-policy.ts';
import { RefreshPolicy } from './refresh-policy.ts';
import { ScanPolicy } from './scan-policy.ts';
import { VerifyPolicy } from './verify-policy.ts';

/** One request that a primer answers before its checkpoint, so that clones start with warm caches. */
const WarmupRequest = z.strictObject({
  http: z.strictObject({
    ...HttpTarget.shape,
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']).default('GET'),
    body: z.string().max(65_536).optional(),
  }),
});
export type WarmupRequest = z.infer<typeof WarmupRequest>;

/** What to run, how it shows that it is ready, and what it answers before its checkpoint. */
export const TemplateSpec = z
  .strictObject({
    ...Workload.shape,
    ready: ReadyProbe,
    warmup: z.array(WarmupRequest).max(64).default([]),
    unique: Unique.optional(),
    /** Whether a claim may be given an instance that is started cold, which takes as long as the app takes to start. */
    coldFallback: z.boolean().default(false),
    capture: CapturePolicy.exactOptional(),
    scan: ScanPolicy.exactOptional(),
    refresh: RefreshPolicy.exactOptional(),
    keep: KeepPolicy.exactOptional(),
    verify: VerifyPolicy.exactOptional(),
  })
  .openapi('TemplateSpec', {
    example: { image: 'nginx:1.27', ports: [{ name: 'web', port: 80 }], ready: { http: { port: 80, path: '/' } } },
  });
export type TemplateSpec = z.infer<typeof TemplateSpec>;

/** A template as it is kept. Times in ms since the epoch, by Redis' clock. */
export const Template = z.object({
  name: Name,
  spec: TemplateSpec,
  /** Of the spec's content: equal specs have equal etags. */
  etag: z.string(),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Template = z.infer<typeof Template>;

/** The part of a template that the engine knows. */
export function workloadOf(spec: TemplateSpec): Workload {
  const {
    ready: _ready,
    warmup: _warmup,
    unique: _unique,
    coldFallback: _coldFallback,
    capture: _capture,
    scan: _scan,
    refresh: _refresh,
    keep: _keep,
    verify: _verify,
    ...workload
  } = spec;
  return workload;
}
