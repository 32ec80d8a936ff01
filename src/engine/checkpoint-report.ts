import { z } from 'zod';
import { Connection } from './connection.ts';

/** One thing that a checkpoint would trip over, or that it would cost the app. */
export const CheckpointFinding = z.object({
  /** One word of a list: io_uring, device, socket, connection, file, lock, user, tracer, space, … */
  kind: z.string(),
  /** `stops`: no golden comes of it. `costs`: the app loses something, or the golden is larger. */
  severity: z.enum(['stops', 'costs']),
  /** Name and pid inside of the process that holds it; empty when it is the whole instance. */
  process: z.string(),
  detail: z.string(),
  fix: z.string(),
});
export type CheckpointFinding = z.infer<typeof CheckpointFinding>;

/** What a checkpoint of a running instance would meet, without taking one. */
export const CheckpointReport = z.object({
  /** No finding stops it. What no look from outside can tell, only a checkpoint does. */
  wouldSucceed: z.boolean(),
  findings: z.array(CheckpointFinding),
  /** The pages that a golden would hold, as far as can be told. */
  memoryBytes: z.number(),
  processes: z.number().int(),
  connections: z.array(Connection),
});
export type CheckpointReport = z.infer<typeof CheckpointReport>;
