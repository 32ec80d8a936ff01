import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { openEngine } from '#src/compose.ts';
import { listPromotedGoldens, type PromotedGolden } from '#src/goldens/promoted-goldens.ts';
import { type Config, type DataPaths, parseConfig } from '#src/platform/config.ts';
import { type CommandContext, CommandError, exitCodes } from './command.ts';
import { destroyEverything } from './destroy-everything.ts';
import { readRecords } from './read-records.ts';
import { refuseUnfitMachine } from './refuse-unfit-machine.ts';
import { stopOnSignals } from './stop-signals.ts';
import { formatDuration } from './table.ts';
import { makeTrialDir, removeDeadTrials, removeTrialDir, trialsDir } from './trial-dir.ts';
import { type GoldenTrial, tryGolden } from './try-golden.ts';

/**
 * Restores a clone of every golden that an alias points to, by an engine with a data directory of its own that borrows goldens and images:
 * its instances have other names on the host, so that a Thaw that runs neither sees them nor is met by them. Answers the exit code.
 */
export async function tryPromotedGoldens(context: CommandContext, config: Config, asJson: boolean): Promise<number> {
  if (config.engine !== 'criu') throw new CommandError('the memory engine keeps no golden beyond its process', 'Nothing is to be tried.');
  const configOf = (dataDir: string) => parseConfig({ ...context.env, THAW_DATA_DIR: dataDir, THAW_ENGINE: 'criu', THAW_PORT: '0' });
  await refuseUnfitMachine(configOf(trialsDir));
  await removeDeadTrials(context, configOf);
  const promoted = await readRecords(config, 'doctor', listPromotedGoldens);
  const signal = stopOnSignals();
  const dataDir = makeTrialDir();
  try {
    const trial = configOf(dataDir);
    borrowFiles(config.paths, trial.paths);
    const tell = (line: string) => (asJson ? undefined : context.print(line));
    const trials = await tryAll(trial, promoted, { node: nodeName(config), tell, signal });
    const ok = trials.every(({ status }) => status !== 'fail');
    context.print(asJson ? JSON.stringify({ ok, goldens: trials }) : summarize(trials));
    return ok ? exitCodes.ok : exitCodes.failed;
  } finally {
    removeTrialDir(context, dataDir);
  }
}

interface Telling {
  readonly node: string;
  tell(line: string): void;
  readonly signal: AbortSignal;
}

async function tryAll(config: Config, promoted: readonly PromotedGolden[], { node, tell, signal }: Telling): Promise<GoldenTrial[]> {
  const engine = await openEngine(config);
  const trials: GoldenTrial[] = [];
  try {
    for (const each of promoted) {
      const trial = await tryGolden(engine, each, node, signal);
      tell(describeTrial(trial));
      trials.push(trial);
    }
    return trials;
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new CommandError(`cut short by ${signal.reason} after ${trials.length} of ${promoted.length} goldens`, 'Run it again.', error);
  } finally {
    await destroyEverything(engine, config.paths);
  }
}

/**
 * Goldens and images are only read, and logs of what fails are kept where Thaw's are. Each golden and each image by a link of its own: an
 * engine removes what it finds beside them and knows no use for. In the real directories that is what a worker is making, and files that
 * gave way to others, on which Thaw's instances run.
 */
function borrowFiles(real: DataPaths, trial: DataPaths): void {
  for (const directory of [real.goldens, real.images, real.logs]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  symlinkSync(real.logs, trial.logs);
  linkEach(real.images, trial.images, /^sha256-/);
  for (const template of readdirSync(real.goldens)) linkEach(join(real.goldens, template), join(trial.goldens, template), /^[0-9]+$/);
}

function linkEach(from: string, to: string, names: RegExp): void {
  mkdirSync(to, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(from)) if (names.test(name)) symlinkSync(join(from, name), join(to, name));
}

/** As the worker has kept it: who runs this by hand need not have its environment. */
function nodeName({ node, paths }: Config): string {
  return existsSync(paths.node) ? readFileSync(paths.node, 'utf8').trim() : node;
}

const marks = { pass: 'pass', fail: 'FAIL', skip: 'skip' } as const;

function describeTrial({ golden, aliases, status, node, restoreMs = 0, problem, incompatible }: GoldenTrial): string {
  const found =
    status === 'pass' ? `a clone was ready after ${formatDuration(restoreMs)}` : (problem?.message ?? `its files are on ${node}`);
  const fix = problem?.fix === undefined ? '' : `\n      fix: ${problem.fix}`;
  const wait = incompatible ? `; Thaw makes no clones of it here before it is captured anew: ${incompatible.join(', ')}` : '';
  return `${marks[status]}  ${golden} (${aliases.join(', ')})  ${found}${wait}${fix}`;
}

function summarize(trials: readonly GoldenTrial[]): string {
  const count = (status: GoldenTrial['status']) => trials.filter((trial) => trial.status === status).length;
  if (trials.length === 0) return 'No alias points to a golden: there is nothing to try.';
  return `\n${count('pass')} pass, ${count('fail')} fail, ${count('skip')} on other nodes. ${adviseOn(trials)}`;
}

function adviseOn(trials: readonly GoldenTrial[]): string {
  if (trials.some(({ status }) => status === 'fail')) return 'Capture what fails again before its pools are filled.';
  if (trials.some(({ incompatible }) => incompatible)) return 'Pools of what differs are filled once it is captured anew.';
  return 'Pools can be filled on this machine as it is.';
}
