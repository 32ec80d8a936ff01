import { z } from '@hono/zod-openapi';
import { Tenant } from '#src/claims/claim.ts';
import { Role } from '#src/platform/http/access.ts';
import { Name } from '#src/platform/ids.ts';
import { RateLimit } from './rate-limit.ts';

export const KeyId = z.string().regex(/^key-[0-9a-f]{16}$/, 'key- and 16 hex digits');

/** The pools that a key or a token is limited to. */
export const PoolNames = z.array(Name).min(1).max(100);

/** What a key is good for; what is absent is not limited. */
export const KeyScope = z
  .strictObject({
    pools: PoolNames.exactOptional().openapi({ description: 'The only pools it may claim from' }),
    tenant: Tenant.exactOptional().openapi({ description: 'The only tenant it acts for and sees' }),
  })
  .openapi('KeyScope');

/** One secret that opens a key. */
const Secret = z.object({
  /** See hashSecret. */
  sha256: z.string(),
  /** Rotated away: good until then (ms since the epoch). */
  until: z.number().exactOptional(),
});

/** An API key as it is kept: the secrets themselves are nowhere. Times in ms since the epoch. */
export const ApiKey = z.object({
  id: KeyId,
  name: z.string(),
  role: Role,
  scope: KeyScope,
  rateLimit: RateLimit.exactOptional(),
  secrets: z.array(Secret),
  createdAt: z.number(),
  expiresAt: z.number().exactOptional(),
  rotatedAt: z.number().exactOptional(),
});
export type ApiKey = z.infer<typeof ApiKey>;

export const KeyRequest = z
  .strictObject({
    name: z
      .string()
      .min(1)
      .max(128)
      .refine((name) => !/\p{Cc}/u.test(name), 'no control characters'),
    role: Role,
    scope: KeyScope.default({}),
    expiresAt: z.iso
      .datetime()
      .transform((text) => Date.parse(text))
      .refine((at) => at > Date.now(), 'in the future')
      .exactOptional()
      .openapi({ type: 'string', format: 'date-time', description: 'Refused from then on' }),
    rateLimit: RateLimit.exactOptional().openapi({ description: 'No limit when absent' }),
  })
  .superRefine(({ role, scope }, context) => {
    const refuse = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (role === 'tenant' && scope.tenant === undefined) refuse(['scope', 'tenant'], 'required for the role tenant');
    if (role === 'admin' && Object.keys(scope).length > 0) refuse(['scope'], 'an admin key has none: it may do everything');
  })
  .openapi('KeyRequest', { example: { name: 'checkout service', role: 'backend', scope: { pools: ['web'] } } });
export type KeyRequest = z.infer<typeof KeyRequest>;

export const RotateRequest = z
  .strictObject({
    graceMs: z
      .number()
      .int()
      .min(0)
      .max(7 * 24 * 3_600_000)
      .default(0)
      .openapi({ description: 'How long the old secrets still work' }),
  })
  .openapi('RotateRequest', { example: { graceMs: 3_600_000 } });

/** Whether one of the key's secrets opens it now. */
export function opensKey(key: ApiKey, sha256: string, nowMs: number): boolean {
  return key.secrets.some((secret) => secret.sha256 === sha256 && (secret.until === undefined || secret.until > nowMs));
}
