import { Agent } from 'node:http';
import type { Socket } from 'node:net';
import { ThawError } from '#src/platform/errors.ts';
import { claimGone, type Target } from './read-target.ts';

/** A request under way, or a WebSocket. */
export interface Connection {
  /** The client's. */
  readonly socket: Socket;
  /** Ends it at once, as its claim has ended: `gone` says so. */
  cut(gone: ThawError): void;
  /** Called when nothing has moved for too long. Undefined: it may rest. */
  giveUp: (() => void) | undefined;
}

interface Seen {
  readonly connection: Connection;
  /** Both ways, at the last look. */
  bytes: number;
  movedAt: number;
}

const mostConnections = 1000;
/** Shorter than any usual server keeps an idle connection: it must not be closed at the far end while a request is written to it. */
const idleConnectionMs = 1500;

/** One claim as the gateway uses it now. */
export class LiveClaim {
  target: Target;
  /** Pools connections to this instance alone: its address may be another tenant's tomorrow. */
  readonly agent = new Agent({ keepAlive: true, maxFreeSockets: 256, timeout: idleConnectionMs });
  readonly #inside = new Set<Seen>();
  /** When somebody last wanted to come in, and when somebody last did (of performance.now(), as all times here). */
  askedAt = performance.now();
  usedAt = Number.NEGATIVE_INFINITY;
  touchedAt = Number.NEGATIVE_INFINITY;
  freshUntil = 0;
  leaseEndsAt = 0;
  hasEnded = false;

  constructor(target: Target) {
    this.target = target;
  }

  /** Answers how to leave. Throws claim_busy, or claim_gone when it ended meanwhile. */
  enter(connection: Connection): () => void {
    const { claim } = this.target;
    if (this.hasEnded) throw claimGone(claim);
    if (this.#inside.size >= mostConnections) {
      throw new ThawError('claim_busy', `claim ${claim} has ${mostConnections} connections, the most there may be`, {
        fix: 'Close some, or try again.',
        retryAfterMs: 1000,
      });
    }
    const seen = { connection, bytes: -1, movedAt: performance.now() };
    this.#inside.add(seen);
    this.usedAt = seen.movedAt;
    return () => {
      this.#inside.delete(seen);
      this.usedAt = performance.now();
    };
  }

  /** Notes what has moved since the last look: without a timer for each request, and without counting what passes. */
  look(now: number, silenceMs: number): void {
    for (const seen of this.#inside) {
      const { socket, giveUp } = seen.connection;
      const bytes = socket.bytesRead + socket.bytesWritten;
      if (bytes === seen.bytes) {
        if (now - seen.movedAt > silenceMs) giveUp?.();
        continue;
      }
      if (seen.bytes >= 0) this.usedAt = now;
      seen.bytes = bytes;
      seen.movedAt = now;
    }
  }

  isIdle(): boolean {
    return this.#inside.size === 0;
  }

  end(gone: ThawError = claimGone(this.target.claim)): void {
    this.hasEnded = true;
    for (const { connection } of this.#inside) connection.cut(gone);
    this.#inside.clear();
    this.agent.destroy();
  }
}
