import { z } from 'zod';
import type { Binding, InstanceStats } from '#src/engine/engine.ts';

/** What goes between the API and the agent of a node: JSON over HTTP/1.1, failures as `describeFailure` gives them. */
const Texts = z.record(z.string(), z.string());

export const BindingBody = z.strictObject({
  claim: z.string(),
  tenant: z.string(),
  expiresAt: z.iso.datetime(),
  env: Texts,
  secrets: Texts,
  labels: Texts,
}) satisfies z.ZodType<Binding>;

export const LogsAnswer = z.object({ logs: z.string() });

export const StatsAnswer = z.object({
  memoryBytes: z.number(),
  cpuMs: z.number(),
  pids: z.number(),
}) satisfies z.ZodType<InstanceStats>;

/** The most that one read of an instance's log answers. */
export const maxLogBytes = 1024 * 1024;
