import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis } from '#src/platform/redis.ts';

const emitScript = loadLuaScript(import.meta.url, './emit-events.lua');

/** Writes `count` events of a type, as a transition would. */
export async function emitEvents(redis: Redis, type: string, fields: Readonly<Record<string, string>> = {}, count = 1): Promise<void> {
  await emitScript.run(redis, [], [keyPrefix, count, type, ...Object.entries(fields).flat()]);
}
