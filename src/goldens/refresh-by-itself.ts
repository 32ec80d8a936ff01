import { parseImageReference } from '#src/engine/image-reference.ts';
import { describeFailure, isThawError } from '#src/platform/errors.ts';
import type { Logger } from '#src/platform/log.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { getTemplate } from '#src/templates/store.ts';
import { isSealed } from './golden.ts';
import type { RequestDeps } from './request-capture.ts';
import { requestRefresh } from './request-refresh.ts';
import { listGoldens } from './store.ts';

export interface RefreshDeps extends RequestDeps {
  readonly log: Pick<Logger, 'warn'>;
  /** What the tag stands for in its registry now: the digest of the manifest for this machine. Absent where images are simulated. */
  readonly imageDigest?: ((image: string, signal: AbortSignal) => Promise<string>) | undefined;
}

const dayMs = 24 * 3_600_000;
const tellScript = loadLuaScript(import.meta.url, './lua/tell-refresh-failed.lua');

/**
 * A refresh that is due by its schedule. `due` names the time: a job that runs twice refreshes once. What hinders is told by an event and
 * the log, and the next time is tried as usual; a golden that is being taken is as good as a new one.
 */
export async function refreshOnSchedule(deps: RefreshDeps, template: string, due: string): Promise<void> {
  await tellFailure(deps, template, () =>
    requestRefresh(deps, template, { idempotencyKey: `due ${due}`, notes: 'refreshed by its schedule' }),
  );
}

/**
 * Refreshes a template whose tag stands for other bytes than its newest golden was taken from. A registry that does not answer is asked
 * again next time. An image that no golden comes about of is tried once a day.
 */
export async function refreshIfImageChanged(deps: RefreshDeps, template: string, signal: AbortSignal): Promise<void> {
  const { redis, imageDigest } = deps;
  const image = (await getTemplate(redis, template))?.spec.image;
  if (imageDigest === undefined || image === undefined || !isTag(image)) return;
  const known = await newestImageDigest(redis, template);
  if (known === undefined) return; // no golden yet, or one that came from elsewhere: nothing to compare with
  await tellFailure(deps, template, async () => {
    const digest = await imageDigest(image, signal);
    if (digest === known) return;
    const day = Math.floor((await redisTimeMs(redis)) / dayMs);
    await requestRefresh(deps, template, { idempotencyKey: `image ${digest} ${day}`, notes: `${image} stands for ${digest} now` });
  });
}

function isTag(image: string): boolean {
  const reference = parseImageReference(image);
  return reference.kind === 'registry' && reference.digest === undefined;
}

async function newestImageDigest(redis: Redis, template: string): Promise<string | undefined> {
  const { items } = await listGoldens(redis, template, { limit: 50 });
  return items.find(({ state, imageDigest }) => isSealed(state) && imageDigest !== undefined)?.imageDigest;
}

async function tellFailure({ redis, log }: RefreshDeps, template: string, refresh: () => Promise<unknown>): Promise<void> {
  try {
    await refresh();
  } catch (error) {
    if (!isThawError(error)) throw error;
    if (isThawError(error, 'capture_in_progress', 'template_not_found')) return;
    await tellScript.run(redis, [], [template, describeFailure(error).code, keyPrefix]);
    log.warn({ err: error, template }, 'a template was not refreshed; it is tried again when it is due next');
  }
}
