import { createSecretKey, type KeyObject } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errors, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { Tenant } from '#src/claims/claim.ts';
import type { Config } from '#src/platform/config.ts';
import { ThawError } from '#src/platform/errors.ts';
import { Name } from '#src/platform/ids.ts';
import { openSecretFile } from '#src/platform/secret-file.ts';
import { KeyId } from './key.ts';

/** What a token says: whose it is, who vouches for it, and until when. */
interface TenantToken {
  readonly tenant: string;
  /** Id of the API key that minted it. */
  readonly mintedBy: string;
  readonly pools?: readonly string[] | undefined;
  /** Ms since the epoch; whole seconds. */
  readonly expiresAt: number;
}

/** Short-lived keys of tenants that need no record: any process that has the signing key can tell that they are real. */
export interface TenantTokens {
  sign(token: TenantToken): Promise<string>;
  /** Undefined: not one of ours, changed, or expired. */
  verify(text: string): Promise<TenantToken | undefined>;
}

const header = { alg: 'HS256', typ: 'thaw-tenant+jwt' };
const Payload = z.object({ sub: Tenant, key: KeyId, pools: z.array(Name).exactOptional(), exp: z.number() });
/** Verified ones are remembered by their text, so that a tenant in a loop costs no HMAC each time. */
const rememberedMax = 1000;

export function createTenantTokens(key: KeyObject): TenantTokens {
  const known = new Map<string, TenantToken>();
  return {
    sign: ({ tenant, mintedBy, pools, expiresAt }) =>
      new SignJWT({ key: mintedBy, ...(pools === undefined ? {} : { pools }) })
        .setProtectedHeader(header)
        .setSubject(tenant)
        .setIssuedAt()
        .setExpirationTime(new Date(expiresAt))
        .sign(key),
    verify: async (text) => {
      const token = known.get(text) ?? (await verifyOnce(text, key));
      if (token === undefined) return undefined;
      if (token.expiresAt <= Date.now()) {
        known.delete(text);
        return undefined;
      }
      if (known.size >= rememberedMax) known.clear();
      known.set(text, token);
      return token;
    },
  };
}

/** The signing key lies in a file and never in Redis, whose backups go further than the machines that run Thaw. */
export async function openTenantTokens({ tokenKeyFile, paths }: Pick<Config, 'tokenKeyFile' | 'paths'>): Promise<TenantTokens> {
  const secret = tokenKeyFile === undefined ? await openSecretFile(paths.tokenKey) : await readSharedKey(tokenKeyFile);
  return createTenantTokens(createSecretKey(Buffer.from(secret)));
}

async function verifyOnce(text: string, key: KeyObject): Promise<TenantToken | undefined> {
  try {
    const { payload } = await jwtVerify(text, key, { algorithms: [header.alg], typ: header.typ });
    const { sub: tenant, key: mintedBy, pools, exp } = Payload.parse(payload);
    return { tenant, mintedBy, pools, expiresAt: exp * 1000 };
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof z.ZodError) return undefined;
    throw error;
  }
}

const shortestKey = 32;

/** A key of one replica's own would refuse the tokens of the others, so this one is never made here. */
async function readSharedKey(path: string): Promise<string> {
  const fix = `Put at least ${shortestKey} random characters into it, the same for every replica, or unset THAW_TOKEN_KEY_FILE.`;
  const secret = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ThawError('node_unfit', `THAW_TOKEN_KEY_FILE ${path} can not be read`, { fix, cause });
  });
  if (secret.trim().length >= shortestKey) return secret.trim();
  throw new ThawError('node_unfit', `THAW_TOKEN_KEY_FILE ${path} holds fewer than ${shortestKey} characters`, { fix });
}
