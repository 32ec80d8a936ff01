import { z } from 'zod';

/** An established connection of a primer, which its checkpoint closes: the peer does not move with a clone. */
export const Connection = z.object({
  protocol: z.enum(['tcp', 'tcp6']),
  /** `address:port` inside. */
  local: z.string(),
  /** `address:port` of the other end. */
  peer: z.string(),
  /** Name of the process that holds it. */
  process: z.string(),
});
export type Connection = z.infer<typeof Connection>;
