import { setTimeout as delay } from 'node:timers/promises';

/** Answers what `look` finds as soon as it finds something. Throws with `what` after `limitMs`. */
export async function waitUntil<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 20_000,
): Promise<T> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await delay(25);
  }
  throw new Error(`not within ${limitMs} ms: ${what}`);
}
