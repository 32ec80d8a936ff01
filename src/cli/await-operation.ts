import { z } from 'zod';
import type { ThawClient } from '#src/client/client.ts';
import { systemClock } from '#src/platform/clock.ts';
import { askFor, readAs } from './client.ts';
import { type CommandContext, CommandError, exitCodes } from './command.ts';

const pollMs = 500;

const Operation = z.looseObject({
  id: z.string(),
  kind: z.string(),
  target: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  steps: z.array(z.object({ name: z.string(), state: z.string(), tookMs: z.number().optional() })),
  result: z.record(z.string(), z.unknown()).optional(),
  problem: z.object({ message: z.string(), fix: z.string().optional() }).optional(),
});
type Operation = z.infer<typeof Operation>;

interface Telling {
  readonly asJson: boolean;
  readonly describe: (result: Record<string, unknown>) => string;
  /** Whether an operation that has succeeded found what was hoped for; the exit code tells. */
  readonly isGood?: (result: Record<string, unknown>) => boolean;
}

/**
 * Follows an operation that `answer` began to its end, telling each step on stderr; `describe` says in a line what came of it. Whoever
 * interrupts this ends the watching, not the operation. Throws CommandError with the operation's own problem when it has failed.
 */
export async function awaitOperation(
  { print, note }: Pick<CommandContext, 'print' | 'note'>,
  thaw: ThawClient,
  answer: unknown,
  { asJson, describe, isGood = () => true }: Telling,
): Promise<number> {
  const { id, kind, target } = readAs(Operation, answer, 'the request');
  note(`${kind} ${target}: ${id}`);
  const operation = await untilEnded(thaw, id, note);
  const { state, problem, result = {} } = operation;
  if (state !== 'succeeded') throw new CommandError(problem?.message ?? `${id} was ${state}`, problem?.fix);
  print(asJson ? JSON.stringify(operation, null, 2) : describe(result));
  return isGood(result) ? exitCodes.ok : exitCodes.failed;
}

async function untilEnded(thaw: ThawClient, id: string, note: (line: string) => void): Promise<Operation> {
  const told = new Set<string>();
  for (;;) {
    const params = { path: { operation: id } };
    const operation = readAs(Operation, await askFor(thaw.GET('/v1/operations/{operation}', { params })), `/v1/operations/${id}`);
    for (const { name, tookMs } of operation.steps) {
      if (tookMs === undefined || told.has(name)) continue;
      told.add(name);
      note(`  ${name}  ${Math.round(tookMs)} ms`);
    }
    if (operation.state !== 'queued' && operation.state !== 'running') return operation;
    await systemClock.sleep(pollMs);
  }
}
