import type { StartColdDeps } from '#src/instances/start-cold.ts';
import type { Job } from '#src/platform/queue.ts';
import { Semaphore } from '#src/platform/semaphore.ts';
import { processBuild } from './build.ts';
import { processCapture } from './capture.ts';
import { processDestroy } from './destroy.ts';
import { processDryRun } from './dry-run.ts';
import { processExport } from './export.ts';
import { processRemoveGolden } from './remove-golden.ts';
import { processRestore } from './restore.ts';
import { processStart } from './start.ts';
import { processVerify } from './verify.ts';

type NodeJobDeps = Parameters<typeof processCapture>[1] &
  Parameters<typeof processBuild>[1] &
  Parameters<typeof processDryRun>[1] &
  Parameters<typeof processExport>[1] &
  StartColdDeps & { readonly restoresAtOnce: number };

/** What starts cold takes long, and beside it restores go on. */
const startsAtOnce = 2;
/** Each has a primer, and nothing else keeps them few: captures are one of a template. */
const dryRunsAtOnce = 2;
/** Each takes a process or two and much I/O. */
const destroysAtOnce = 4;

/** The processor of a node's queue: each job by its name, those that are many within bounds. */
export function nodeJobProcessor(deps: NodeJobDeps): (job: Job, signal: AbortSignal) => Promise<void> {
  const restores = new Semaphore(deps.restoresAtOnce); // of all pools together; the emptiest goes first
  const starts = new Semaphore(startsAtOnce);
  const dryRuns = new Semaphore(dryRunsAtOnce);
  const destroys = new Semaphore(destroysAtOnce);
  const processors: Readonly<Record<string, (job: Job, signal: AbortSignal) => Promise<void>>> = {
    restore: (job, signal) => restores.run(() => processRestore(job, deps, signal), job.opts.priority),
    start: (job, signal) => starts.run(() => processStart(job, deps, signal)),
    destroy: (job) => destroys.run(() => processDestroy(job, deps)),
    capture: (job, signal) => processCapture(job, deps, signal),
    'dry-run': (job, signal) => dryRuns.run(() => processDryRun(job, deps, signal)),
    build: (job, signal) => processBuild(job, deps, signal),
    verify: (job, signal) => processVerify(job, deps, signal),
    export: (job, signal) => processExport(job, deps, signal),
    'remove-golden': (job) => processRemoveGolden(job, deps),
  };
  return async (job, signal) => {
    const processor = processors[job.name];
    if (processor === undefined) throw new Error(`no processor for a job named ${job.name}`);
    signal.throwIfAborted();
    await processor(job, signal);
  };
}
