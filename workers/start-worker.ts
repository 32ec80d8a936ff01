import { serveAllLines } from '#src/claims/reserve-instance.ts';
import { expireClaims, warnOfExpiry } from '#src/claims/sweep-claims.ts';
import type { WorkerDeps } from '#src/compose.ts';
import { listNodeInstances } from '#src/instances/store.ts';
import { beat } from '#src/nodes/heartbeat.ts';
import { controlQueue, nodeQueue, openQueue, openWorker, requeueActive, type Worker } from '#src/platform/queue.ts';
import { repeat } from '#src/platform/repeat.ts';
import { noteEarlyExit } from '#src/pools/note-early-exit.ts';
import { Planner } from '#src/pools/planner.ts';
import { controlJobProcessor } from './control/process-job.ts';
import { watchExits } from './node/exits.ts';
import { keepBeating } from './node/heartbeat.ts';
import { nodeJobProcessor } from './node/process-job.ts';
import { processReconcile } from './node/reconcile.ts';

const expiryEveryMs = 250;
/** Who waits is served when a clone becomes warm; this makes good what a worker that died had no time for. */
const linesEveryMs = 1000;
const reconcileEveryMs = 10_000;
const housekeepingEveryMs = 10_000;
/** Jobs wait for their bounds inside the worker, so that destroys and captures never wait for a long refill. */
const jobsAtOnce = 100;
/** A registry that is slow to answer holds up no housekeeping. */
const controlJobsAtOnce = 4;
/** A job that was lost without a restart of its worker runs again after this long, however often that happens. */
const stalls = { lockDuration: 10_000, stalledInterval: 5000, maxStalledCount: 1_000_000 };
const stopDeadlineMs = 3000;

/**
 * Runs everything a worker does until `stop`; `agent` is the address that the heartbeat tells the API. Before any job runs, leases that ended
 * meanwhile are ended and what runs is made to agree with what is recorded. Instances are not children of the worker: they go on running after
 * it.
 */
export async function startWorker(deps: WorkerDeps, agent: string): Promise<{ stop(): Promise<void> }> {
  const { log } = deps;
  const stopping = new AbortController();
  await expireClaims(deps);
  const reconciled = await processReconcile(deps);
  log.info({ ...reconciled, node: deps.node }, 'the node is reconciled');
  const stopWatchingExits = watchEveryExit(deps);
  log.info({ orphans: await takeUpJobs(deps) }, 'the jobs of the worker before are taken up');
  const pulse = { ...deps, agent };
  await beat(pulse);
  const beating = keepBeating(pulse, stopping.signal);

  const workers = await openJobWorkers(deps, stopping.signal);
  const planner = new Planner(deps);
  await planner.listen();
  const sweeps = [
    repeat(deps, 'the expiry of claims', expiryEveryMs, async () => {
      await warnOfExpiry(deps);
      await expireClaims(deps);
    }),
    repeat(deps, 'the lines', linesEveryMs, () => serveAllLines(deps.redis)),
    repeat(deps, 'reconciling', reconcileEveryMs, async () => void (await processReconcile(deps))),
  ];
  return {
    stop: async () => {
      stopping.abort(new Error('the worker is being stopped'));
      stopWatchingExits();
      await Promise.all([planner.stop(), beating, ...sweeps.map((sweep) => sweep.stop())]);
      await closeWorkers(workers);
    },
  };
}

/** Early exits are noted first: on the one connection, their look at the instance is sent before the exit is recorded. */
function watchEveryExit(deps: WorkerDeps): () => void {
  const stopNoting = deps.engine.onExit((exit) => {
    noteEarlyExit(deps.redis, exit.id).catch((err: unknown) => deps.log.error({ err, instance: exit.id }, 'an early exit was not counted'));
  });
  const stopRecording = watchExits(deps);
  return () => {
    stopNoting();
    stopRecording();
  };
}

/**
 * This node's worker is just starting, and by the lock of the data directory it is the only one: a job that counts as under way was that of
 * a worker that was killed. It is put back in line, where it would stand only once its lock had run out. What waits for a job is asked for
 * once more, should the job be lost; one that is there stays.
 */
async function takeUpJobs({ redis, node, jobs }: WorkerDeps): Promise<number> {
  const queue = openQueue(nodeQueue(node), redis);
  const orphans = await requeueActive(queue);
  await queue.close();
  const instances = await listNodeInstances(redis, node);
  const releasing = instances.filter(({ state }) => state === 'releasing');
  const coming = instances.filter(
    ({ pool, role, state }) => pool !== '' && role === 'clone' && (state === 'restoring' || state === 'preparing'),
  );
  const starting = instances.filter(({ role, state }) => role === 'cold' && (state === 'starting' || state === 'preparing'));
  const idsOf = (some: typeof instances) => some.map(({ id }) => id);
  await jobs.repeat(node, 'destroy', idsOf(releasing));
  await jobs.repeat(node, 'restore', idsOf(coming));
  await jobs.repeat(node, 'start', idsOf(starting));
  return orphans;
}

async function openJobWorkers(deps: WorkerDeps, stopping: AbortSignal): Promise<Worker[]> {
  const control = openQueue(controlQueue, deps.redis);
  await control.upsertJobScheduler('housekeeping', { every: housekeepingEveryMs }, { name: 'housekeeping' });
  await control.close();
  // What is wrong with one template's schedule keeps no node from its work; the next PUT of the template or start of a worker tries again.
  await deps.schedules.keepAll().catch((err: unknown) => deps.log.error({ err }, 'the schedules of templates could not be put right'));
  const processNodeJob = nodeJobProcessor(deps);
  const processControlJob = controlJobProcessor(deps);
  const workers = [
    openWorker(controlQueue, deps.redis, (job, signal) => processControlJob(job, AbortSignal.any([signal, stopping])), {
      concurrency: controlJobsAtOnce,
      ...stalls,
    }),
    openWorker(nodeQueue(deps.node), deps.redis, (job, signal) => processNodeJob(job, AbortSignal.any([signal, stopping])), {
      concurrency: jobsAtOnce,
      ...stalls,
    }),
  ];
  for (const worker of workers) {
    worker.on('failed', (job, err) => {
      if (!stopping.aborted) deps.log.warn({ err, job: job?.name, data: job?.data }, 'a job failed');
    });
    worker.on('error', (err) => deps.log.warn({ err }, 'a queue is troubled; it goes on by itself'));
  }
  return workers;
}

/** Jobs end by their signal; one that does not is left to run again, as after a crash. */
async function closeWorkers(workers: readonly Worker[]): Promise<void> {
  const closed = Promise.all(workers.map((worker) => worker.close()));
  const late = new Promise<'late'>((resolve) => setTimeout(() => resolve('late'), stopDeadlineMs).unref());
  if ((await Promise.race([closed, late])) === 'late') await Promise.all(workers.map((worker) => worker.close(true)));
}
