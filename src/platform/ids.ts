import { randomFillSync } from 'node:crypto';
import { z } from '@hono/zod-openapi'; // zod, with `.openapi` on every schema that is made after it is loaded: REST shows ids

/** Names chosen by users: templates, pools, aliases, nodes. */
export const Name = z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, '1 to 63 of a-z, 0-9 and -, not at either end');

export const InstanceId = z
  .string()
  .regex(/^ins-[0-9a-z]{16}$/, 'ins- and 16 of 0-9 and a-z')
  .brand('InstanceId');
export type InstanceId = z.infer<typeof InstanceId>;

export const ClaimId = z
  .string()
  .regex(/^clm-[0-9a-z]{16}$/, 'clm- and 16 of 0-9 and a-z')
  .brand('ClaimId');
export type ClaimId = z.infer<typeof ClaimId>;

export const OperationId = z
  .string()
  .regex(/^op-[0-9a-z]{16}$/, 'op- and 16 of 0-9 and a-z')
  .brand('OperationId');
export type OperationId = z.infer<typeof OperationId>;

/** `api@7`: the template's name and the golden's number. */
export const GoldenId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}@[1-9][0-9]{0,8}$/, 'a template and a number: api@7')
  .brand('GoldenId');
export type GoldenId = z.infer<typeof GoldenId>;

export function newInstanceId(): InstanceId {
  return InstanceId.parse(`ins-${randomBase32(16)}`);
}

export function newClaimId(): ClaimId {
  return ClaimId.parse(`clm-${randomBase32(16)}`);
}

export function newOperationId(): OperationId {
  return OperationId.parse(`op-${randomBase32(16)}`);
}

export function goldenId(template: string, number: number): GoldenId {
  return GoldenId.parse(`${template}@${number}`);
}

export function splitGoldenId(id: GoldenId): { template: string; number: number } {
  const at = id.lastIndexOf('@');
  return { template: id.slice(0, at), number: Number(id.slice(at + 1)) };
}

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
/** Drawn in bulk: a call of the kernel's generator costs 20 times the rest of an id. No byte is used twice. */
const random = Buffer.alloc(4096);
let drawn = random.length;

/** 5 bits a character from the kernel's generator: 16 characters are 80 bits, safe in host names, cgroup paths and URLs. */
export function randomBase32(length: number): string {
  if (drawn + length > random.length) {
    randomFillSync(random);
    drawn = 0;
  }
  let text = '';
  for (const end = drawn + length; drawn < end; drawn++) text += alphabet.charAt(random.readUInt8(drawn) & 31);
  return text;
}
