import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { dim, duration, good, type Screen } from './screen.ts';
import type { Operation, ThawClient } from './thaw-client.ts';

const pollMs = 100;

/** Times in ms; a cold start reaches from the primer's start to its readiness. */
const CaptureResult = z.object({
  golden: z.string(),
  coldStartMs: z.number(),
  coldStartCpuMs: z.number(),
  checkpointMs: z.number(),
  goldenBytes: z.number(),
});
export type TakenGolden = z.infer<typeof CaptureResult>;

/** Captures the template's golden, with a line for each phase. */
export async function takeGolden(thaw: ThawClient, screen: Screen, template: string, signal: AbortSignal): Promise<TakenGolden> {
  const { id } = await thaw.captureGolden(template, true);
  let written = 0;
  const operation = await watchOperation(thaw, id, signal, (now, forMs) => {
    const finished = now.steps.filter(({ tookMs }) => tookMs !== undefined);
    for (const { name, tookMs } of finished.slice(written)) screen.line(`  ${good('✓')} ${name.padEnd(12)} ${duration(tookMs ?? 0)}`);
    written = finished.length;
    const running = now.steps.find(({ state }) => state === 'running');
    screen.show([dim(`  … ${(running?.name ?? now.state).padEnd(12)} ${duration(forMs)} so far`)]);
    return false;
  });
  screen.show([]);
  if (operation.state !== 'succeeded') throw new Error(describeProblem(operation));
  return CaptureResult.parse(operation.result);
}

/** Polls until the operation has ended, or `look` answers true. `look` also gets how long the operation has been watched. */
export async function watchOperation(
  thaw: ThawClient,
  id: string,
  signal: AbortSignal,
  look: (operation: Operation, forMs: number) => boolean,
): Promise<Operation> {
  const startedAt = performance.now();
  while (true) {
    const operation = await thaw.getOperation(id);
    const isEnough = look(operation, performance.now() - startedAt);
    if (isEnough || (operation.state !== 'queued' && operation.state !== 'running')) return operation;
    await sleep(pollMs, undefined, { signal });
  }
}

export function isReady(operation: Operation): boolean {
  return operation.steps.some(({ name, state }) => name === 'ready' && state === 'succeeded');
}

export function describeProblem({ target, state, problem }: Operation): string {
  return `the capture of ${target} has ${state}${problem ? `: ${problem.message} ${problem.fix ?? ''}` : ''}`;
}
