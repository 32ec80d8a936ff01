import { z } from 'zod';
import type { Binding, BoundInstance, InstanceStats } from '#src/engine/engine.ts';
import { Failure } from '#src/platform/failure.ts';
import { InstanceId } from '#src/platform/ids.ts';

/** What goes between the API and the agent of a node: JSON over HTTP/1.1, failures as `describeFailure` gives them. */
const Texts = z.record(z.string(), z.string());

const BindingBody = z.strictObject({
  claim: z.string(),
  tenant: z.string(),
  expiresAt: z.iso.datetime(),
  env: Texts,
  secrets: Texts,
  labels: Texts,
}) satisfies z.ZodType<Binding>;

/** Binds go as lines of JSON over an upgraded connection (bind-stream.ts). */
export const bindStreamPath = '/binds';
export const bindStreamProtocol = 'thaw-binds';

export const BindCall = z.strictObject({ call: z.number(), instance: InstanceId, binding: BindingBody });

const Bound = z.object({ timingsMs: z.object({ bind: z.number(), hook: z.number() }) }) satisfies z.ZodType<BoundInstance>;

export const BindReply = z.union([z.object({ call: z.number(), bound: Bound }), z.object({ call: z.number(), failure: Failure })]);
export type BindReply = z.input<typeof BindReply>;

export const LogsAnswer = z.object({ logs: z.string() });

export const StatsAnswer = z.object({
  memoryBytes: z.number(),
  cpuMs: z.number(),
  pids: z.number(),
}) satisfies z.ZodType<InstanceStats>;

/** The most that one read of an instance's log answers. */
export const maxLogBytes = 1024 * 1024;
