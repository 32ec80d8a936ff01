import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from './redis.ts';

/** One atomic transition, kept in a .lua file beside the store that runs it. The caller parses the reply. */
export interface LuaScript {
  run(redis: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

/** Use: `const claimScript = loadLuaScript(import.meta.url, './lua/claim-instance.lua')`. */
export function loadLuaScript(moduleUrl: string, file: string): LuaScript {
  const source = readFileSync(new URL(file, moduleUrl), 'utf8');
  const sha = createHash('sha1').update(source).digest('hex');
  return {
    async run(redis, keys, args) {
      const parameters = [...keys, ...args.map(String)];
      try {
        return await redis.evalsha(sha, keys.length, ...parameters);
      } catch (error) {
        // A restarted Redis has an empty script cache.
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return await redis.eval(source, keys.length, ...parameters);
      }
    },
  };
}
