import { randomBytes } from 'node:crypto';
import { hashSecret } from '#src/api/secret.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';

/** What opens a claim's instance. All are 256 random bits, kept as a hash, and worth nothing once their claim has ended. */
export interface GatewayTokens {
  /** A token for the URL that is sent to somebody (good once), or for a program's header (good until it expires). */
  mint(claim: string, kind: 'once' | 'reusable', ttlMs: number): Promise<string>;
  /** Whether it opens the claim. One that is good once is good no more afterwards, on any replica of the API. */
  redeem(claim: string, token: string): Promise<boolean>;
  /** What a browser holds in place of the token that it came with. */
  openSession(claim: string): Promise<string>;
  hasSession(claim: string, session: string): Promise<boolean>;
}

/** By their beginning the gateway knows its own tokens from those of the app, which pass. */
const prefixes = { once: 'thawo_', reusable: 'thawt_' } as const;

export function isGatewayToken(text: string): boolean {
  return /^thaw[ot]_[A-Za-z0-9_-]{43}$/.test(text);
}

/** string, the claim; by the sha256 of the token. */
const tokenKey = (token: string) => `${keyPrefix}gateway-token:${hashSecret(token)}`;

/** A browser that did not come for so long needs a new link. */
const sessionIdleMs = 24 * 3_600_000;
/** How long Redis is not asked again. Nothing revokes a token but the end of its claim, which is watched. */
const knownMs = 600_000;
const mostKnown = 10_000;

export function openGatewayTokens(redis: Redis): GatewayTokens {
  /** Until when (of performance.now()) a token or session is known to open its claim. */
  const known = new Map<string, number>();
  const recall = async (claim: string, token: string, ask: (key: string) => Promise<{ claim: string | null; leftMs: number }>) => {
    const key = `${claim} ${token}`;
    if ((known.get(key) ?? 0) > performance.now()) return true;
    const found = await ask(tokenKey(token));
    if (found.claim !== claim) return false;
    if (known.size >= mostKnown) known.clear();
    known.set(key, performance.now() + Math.min(found.leftMs, knownMs));
    return true;
  };
  const store = async (claim: string, token: string, ttlMs: number) => {
    await redis.set(tokenKey(token), claim, 'PX', ttlMs);
    return token;
  };
  return {
    mint: (claim, kind, ttlMs) => store(claim, `${prefixes[kind]}${random()}`, ttlMs),
    redeem: async (claim, token) => {
      if (!isGatewayToken(token)) return false;
      if (token.startsWith(prefixes.once)) return (await redis.getdel(tokenKey(token))) === claim;
      return recall(claim, token, async (key) => {
        const [found, leftMs] = await Promise.all([redis.get(key), redis.pttl(key)]);
        return { claim: found, leftMs };
      });
    },
    openSession: (claim) => store(claim, random(), sessionIdleMs),
    hasSession: async (claim, session) =>
      /^[A-Za-z0-9_-]{43}$/.test(session) &&
      recall(claim, session, async (key) => ({ claim: await redis.getex(key, 'PX', sessionIdleMs), leftMs: sessionIdleMs })),
  };
}

function random(): string {
  return randomBytes(32).toString('base64url');
}
