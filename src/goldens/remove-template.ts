import { z } from 'zod';
import { preconditionFailed } from '#src/platform/etag.ts';
import { GoldenId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix } from '#src/platform/redis.ts';
import { templateKeys } from '#src/templates/store.ts';
import { goldenKeys, keepDeletedMs } from './keys.ts';
import type { RequestDeps } from './request-capture.ts';
import { requireGolden, underWay } from './store.ts';

const removeScript = loadLuaScript(import.meta.url, './lua/remove-template.lua');
const Reply = z.union([
  z.tuple([z.literal('removed')], GoldenId),
  z.tuple([z.literal('under_way'), GoldenId]),
  z.tuple([z.literal('changed'), z.string()]),
]);

/**
 * Removes a template with its goldens and aliases, atomically: a crash leaves no golden that a new template of the name would inherit,
 * and no capture begins between. The goldens' files follow: by a job of their node, or by its reconcile.
 * Throws precondition_failed when `ifMatch` (an etag, or `*`) is not what is stored, capture_in_progress while it is being captured.
 */
export async function removeTemplate({ redis, jobs }: RequestDeps, name: string, ifMatch = ''): Promise<void> {
  const keys = [templateKeys.template(name), templateKeys.all, goldenKeys.ofTemplate(name), goldenKeys.captures, goldenKeys.aliases(name)];
  const reply = Reply.parse(await removeScript.run(redis, keys, [name, ifMatch, keyPrefix, keepDeletedMs]));
  if (reply[0] === 'changed') throw preconditionFailed(`template "${name}"`, reply[1], ifMatch);
  if (reply[0] === 'under_way') throw underWay(await requireGolden(redis, reply[1]));
  const [, ...goldens] = reply;
  for (const golden of goldens) await jobs.removeGolden((await requireGolden(redis, golden)).node, golden);
}
