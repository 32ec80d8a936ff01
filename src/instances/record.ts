import { z } from 'zod';
import { Failure } from '#src/platform/failure.ts';
import { jsonField } from '#src/platform/hash-field.ts';
import { Instance, InstancePort, TimingsMs } from './instance.ts';

/** The hash of an instance as Redis gives it: text only, and what an instance does not have is absent or empty. */
const InstanceHash = z.object({
  ...Instance.shape,
  createdAt: z.coerce.number(),
  stateAt: z.coerce.number(),
  warmAt: z.coerce.number().exactOptional(),
  ports: jsonField(z.array(InstancePort)).default([]),
  timingsMs: jsonField(TimingsMs).default({}),
  problem: jsonField(Failure).exactOptional(),
});

/** The instance that a hash holds, undefined for the empty hash of one that does not exist. */
export function parseInstance(hash: Readonly<Record<string, string>>): Instance | undefined {
  const set = Object.fromEntries(Object.entries(hash).filter(([name, value]) => value !== '' || name === 'pool'));
  return 'id' in set ? InstanceHash.parse(set) : undefined;
}
