import { z } from 'zod';
import { Name } from '#src/platform/ids.ts';
import { controlQueue, openQueue } from '#src/platform/queue.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { RefreshPolicy } from '#src/templates/refresh-policy.ts';
import { getTemplate, listTemplates } from '#src/templates/store.ts';

/** Names of the jobs on the queue `control`; their data is {template}. */
export const refreshJob = 'refresh-template';
export const imageCheckJob = 'check-image';
export const RefreshJob = z.object({ template: Name });

export interface RefreshSchedules {
  /** Makes the jobs of one template agree with what it says now; of one that is gone, none are left. Can be repeated. */
  keep(template: string): Promise<void>;
  /** Of all templates: makes good what a crash between a template and its schedule left. */
  keepAll(): Promise<void>;
  close(): Promise<void>;
}

type Repeat = { readonly pattern: string; readonly tz: string } | { readonly every: number };

/** The job schedulers of BullMQ by which templates are refreshed. What came due while no worker ran is done once, when one runs again. */
export function openRefreshSchedules(redis: Redis): RefreshSchedules {
  const queue = openQueue(controlQueue, redis);
  const keepOne = async (job: string, template: string, repeat: Repeat | undefined) => {
    const id = `${job}-${template}`;
    if (repeat === undefined) return void (await queue.removeJobScheduler(id));
    const known = await queue.getJobScheduler(id);
    // One that is as it should be keeps its next time: an interval would otherwise begin anew whenever a worker starts.
    if (
      known &&
      Object.entries(repeat).every(([field, value]) => Object.entries(known).some(([name, is]) => name === field && is === value))
    )
      return;
    await queue.upsertJobScheduler(id, repeat, { name: job, data: { template } });
  };
  const keep = async (template: string) => {
    const { refresh } = (await getTemplate(redis, template))?.spec ?? {};
    await keepOne(refreshJob, template, refresh && cronOf(refresh));
    await keepOne(imageCheckJob, template, refresh?.onDigestChange && { every: refresh.onDigestChange.everyMs });
  };
  return {
    keep,
    keepAll: async () => {
      const scheduled = (await queue.getJobSchedulers(0, -1)).flatMap(
        ({ template }) => RefreshJob.safeParse(template?.data).data?.template ?? [],
      );
      for (const template of new Set([...scheduled, ...(await templatesThatRefresh(redis))])) await keep(template);
    },
    close: () => queue.close(),
  };
}

function cronOf({ cron, timezone }: RefreshPolicy): Repeat | undefined {
  return cron === undefined ? undefined : { pattern: cron, tz: timezone };
}

async function templatesThatRefresh(redis: Redis): Promise<string[]> {
  const names: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const { items, nextCursor } = await listTemplates(redis, { limit: 100, ...(cursor === undefined ? {} : { cursor }) });
    names.push(...items.flatMap(({ name, spec }) => (spec.refresh === undefined ? [] : [name])));
    if (nextCursor === undefined) return names;
    cursor = nextCursor;
  }
}
