import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from './redis.ts';

/** One atomic transition, kept in a .lua file beside the store that runs it. The caller parses the reply. */
export interface LuaScript {
  run(redis: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
}

/**
 * Use: `const claimScript = loadLuaScript(import.meta.url, './lua/claim-instance.lua')`. Redis knows no modules, and what several scripts do the
 * same way is written once: a line `--- @include "emit-event"` stands for src/platform/lua/emit-event.lua, `--- @include "./waiting-line"` for the
 * file of that name beside the including one. A file is included once, however often it is asked for.
 */
export function loadLuaScript(moduleUrl: string, file: string): LuaScript {
  const source = readWithIncludes(new URL(file, moduleUrl), new Set());
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

function readWithIncludes(url: URL, included: Set<string>): string {
  return readFileSync(url, 'utf8').replace(/^--- @include "(\.\/)?([a-z-]+)"$/gm, (_, beside: string | undefined, name: string) => {
    const file = beside === undefined ? new URL(`./lua/${name}.lua`, import.meta.url) : new URL(`./${name}.lua`, url);
    if (included.has(file.href)) return '';
    included.add(file.href);
    return readWithIncludes(file, included).trimEnd();
  });
}
