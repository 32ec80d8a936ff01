import { openEngine } from '#src/compose.ts';
import type { Checkpoint, Engine } from '#src/engine/engine.ts';
import type { ReadyProbe, Workload } from '#src/engine/workload.ts';
import { waitUntilReady } from '#src/instances/wait-until-ready.ts';
import { elapsedMs, systemClock } from '#src/platform/clock.ts';
import type { Config } from '#src/platform/config.ts';
import { isThawError, ThawError } from '#src/platform/errors.ts';
import { goldenId, type InstanceId, newInstanceId } from '#src/platform/ids.ts';
import type { CommandContext } from './command.ts';
import { destroyEverything } from './destroy-everything.ts';
import { tellCheckpointReport } from './tell-checkpoint-report.ts';
import { waitUntilIdle } from './wait-until-idle.ts';

export interface Trial {
  readonly workload: Workload;
  /** Undefined: ready is when the app rests. */
  readonly ready: ReadyProbe | undefined;
  readonly idleTimeoutMs: number;
}

const golden = goldenId('try', 1);

/** Answers whether the image can be checkpointed, told line by line. Whatever happens, nothing of it is left but files in the data directory. */
export async function tryWorkload(config: Config, trial: Trial, { print, note }: CommandContext, signal: AbortSignal): Promise<boolean> {
  const engine = await openEngine(config);
  try {
    const coldMs = await startCold(engine, trial, { print, signal });
    tellCheckpointReport(await engine.inspect(primer)).forEach(print);
    const checkpoint = await takeCheckpoint(engine, print, signal);
    const clonesMs = [await restoreClone(engine, trial, 1, { print, signal }), await restoreClone(engine, trial, 2, { print, signal })];
    print(`\nYes: it can be cloned. ${compareStarts(coldMs, Math.min(...clonesMs))}, ${megabytes(checkpoint.sizeBytes)} MB on disk.`);
    return true;
  } catch (error) {
    if (signal.aborted) print(`\nCut short by ${signal.reason}, before there was an answer.`);
    else if (!isThawError(error)) throw error;
    else {
      print(`\nNo: ${error.message}`);
      if (error.fix !== undefined) print(`    ${error.fix}`);
    }
    return false;
  } finally {
    note(signal.aborted ? 'removing everything again; a second signal leaves that to the next `thaw try`' : 'removing everything again');
    await destroyEverything(engine, config.paths);
  }
}

/** `5.21 s cold, 130 ms as a clone: 40 times faster`. */
export function compareStarts(coldMs: number, cloneMs: number): string {
  const ratio = coldMs / cloneMs;
  const times = ratio < 9.95 ? ratio.toFixed(1) : Math.round(ratio);
  return `${seconds(coldMs)} cold, ${Math.round(cloneMs)} ms as a clone: ${ratio < 1.1 ? 'not faster' : `${times} times faster`}`;
}

interface Run {
  print(line: string): void;
  readonly signal: AbortSignal;
}

const primer = newInstanceId();

async function startCold(engine: Engine, trial: Trial, { print, signal }: Run): Promise<number> {
  print(`starting ${trial.workload.image}`);
  const started = await engine.start(trial.workload, primer, signal);
  print(`  image ready after ${seconds(started.timingsMs.image ?? 0)}, process started`);
  const startedAt = performance.now();
  await becomeReady(engine, trial, { id: primer, address: started.address }, 'primer', signal);
  const coldMs = elapsedMs(startedAt) + (started.timingsMs.runc ?? 0);
  const { memoryBytes, cpuMs, pids } = await engine.stats(primer);
  print(`  ready after ${seconds(coldMs)} (${seconds(cpuMs)} of CPU, ${megabytes(memoryBytes)} MB, ${pids} processes and threads)`);
  return coldMs;
}

async function takeCheckpoint(engine: Engine, print: Run['print'], signal: AbortSignal): Promise<Checkpoint> {
  const checkpoint = await engine.checkpoint(primer, golden, signal);
  print(
    `checkpoint in ${seconds(checkpoint.timingsMs.total ?? 0)}: ${megabytes(checkpoint.pagesBytes)} MB of memory, ${megabytes(checkpoint.sizeBytes)} MB in all`,
  );
  return checkpoint;
}

async function restoreClone(engine: Engine, trial: Trial, number: number, { print, signal }: Run): Promise<number> {
  const id = newInstanceId();
  const startedAt = performance.now();
  const clone = await engine.restore(golden, id, signal);
  await becomeReady(engine, trial, { id, address: clone.address }, 'clone', signal);
  const ms = elapsedMs(startedAt);
  print(`clone ${number} ${trial.ready ? 'answers' : 'runs'} after ${Math.round(ms)} ms at ${clone.address}`);
  return ms;
}

async function becomeReady(
  engine: Engine,
  { ready, idleTimeoutMs }: Trial,
  instance: { id: InstanceId; address: string },
  role: 'primer' | 'clone',
  signal: AbortSignal,
): Promise<void> {
  if (ready) await waitUntilReady({ engine, clock: systemClock }, instance, ready, { role, signal });
  else if (role === 'primer') await waitUntilIdle(engine, instance.id, idleTimeoutMs, signal);
  else if ((await engine.list()).find(({ id }) => id === instance.id)?.state !== 'running')
    throw new ThawError('clone_exited', 'the clone ended at once', { fix: 'Give --port, so that the app is asked.' });
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
