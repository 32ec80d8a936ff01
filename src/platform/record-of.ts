import { z } from 'zod';

/**
 * A record whose keys whoever sends it chooses. zod 4.6 drops a key `__proto__` without a word, and what was asked for would not be done:
 * here it is refused.
 */
export function recordOf<K extends z.core.$ZodRecordKey, V extends z.ZodType>(key: K, value: V) {
  return z.preprocess(
    (sent, ctx) => {
      if (typeof sent === 'object' && sent !== null && Object.hasOwn(sent, '__proto__')) {
        ctx.addIssue({ code: 'custom', path: ['__proto__'], message: 'a name that can not be used' });
      }
      return sent;
    },
    z.record(key, value),
  );
}
