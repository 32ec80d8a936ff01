import { type ClaimId, randomBase32 } from '#src/platform/ids.ts';
import type { Redis } from '#src/platform/redis.ts';
import { claimKeys } from './keys.ts';
import { Called } from './reserve-instance.ts';

/** Where the claims of this API process wait: what their instances shall be told is in this memory and nowhere else (law 8). */
export interface WaitingRoom {
  readonly id: string;
  /** To be called before the claim joins a line, so that no call is missed. */
  enter(claim: ClaimId): Promise<Seat>;
  /** Aborted when this process ends: who waits is told so. */
  readonly closing: AbortSignal;
  close(): Promise<void>;
}

export interface Seat extends Disposable {
  /** Resolves once the claim is reserved or ended; never rejects. */
  readonly called: Promise<Called>;
}

const aliveMs = 6000;
const beatEveryMs = 2000;
const closeWithinMs = 2000;

/** `connect` makes a connection of its own for the subscription, when a claim first waits. */
export function openWaitingRoom(redis: Redis, connect: () => Redis): WaitingRoom {
  const id = randomBase32(16);
  const seats = new Map<string, (called: Called) => void>();
  let subscriber: Redis | undefined;
  let opened: Promise<void> | undefined;
  let beat: NodeJS.Timeout | undefined;
  const closing = new AbortController();

  const stayAlive = () => redis.set(claimKeys.api(id), '1', 'PX', aliveMs);
  const open = async () => {
    subscriber = connect();
    subscriber.on('message', (_channel: string, message: string) => {
      const called = Called.parse(JSON.parse(message));
      seats.get('reservation' in called ? called.reservation.id : called.ended)?.(called);
    });
    await Promise.all([subscriber.subscribe(claimKeys.served(id)), stayAlive()]);
    beat = setInterval(() => void stayAlive().catch(() => {}), beatEveryMs); // Redis away: the claims fail when it stays away
    beat.unref();
  };
  return {
    id,
    closing: closing.signal,
    async enter(claim) {
      opened ??= open().catch((error: unknown) => {
        opened = undefined;
        subscriber?.disconnect();
        throw error;
      });
      await opened;
      const { promise, resolve } = Promise.withResolvers<Called>();
      seats.set(claim, resolve);
      return { called: promise, [Symbol.dispose]: () => void seats.delete(claim) };
    },
    async close() {
      closing.abort();
      const deadline = Date.now() + closeWithinMs;
      while (seats.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
      clearInterval(beat);
      subscriber?.disconnect();
      if (opened) await redis.del(claimKeys.api(id)).catch(() => {}); // whoever waits here can not be served any more
    },
  };
}
