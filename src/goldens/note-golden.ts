import { hashFields } from '#src/platform/hash-field.ts';
import type { GoldenId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import type { Redis } from '#src/platform/redis.ts';
import { goldenKeys } from './keys.ts';
import type { GoldenFields } from './store.ts';

const noteScript = loadLuaScript(import.meta.url, './lua/note-golden.lua');

/** Records what became known of a golden, whose state stays. Of one that is gone nothing is recorded. */
export async function noteGolden(redis: Redis, id: GoldenId, fields: GoldenFields): Promise<void> {
  await noteScript.run(redis, [goldenKeys.golden(id)], hashFields(fields));
}
