import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { Failure } from '#src/platform/failure.ts';
import { hashFields, jsonField } from '#src/platform/hash-field.ts';
import type { Page } from '#src/platform/http/list.ts';
import type { OperationId } from '#src/platform/ids.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis, runPipeline } from '#src/platform/redis.ts';
import { type PageQuery, readNewest } from '#src/platform/sorted-page.ts';
import { hasEnded, Operation, OperationState, OperationStep } from './operation.ts';

export interface OperationDraft {
  readonly id: OperationId;
  readonly kind: string;
  readonly target: string;
  readonly params: Readonly<Record<string, unknown>>;
}

export type OperationEnd =
  | { readonly state: 'succeeded'; readonly result: Readonly<Record<string, unknown>> }
  | { readonly state: 'failed' | 'cancelled'; readonly problem: Failure };

const createScript = loadLuaScript(import.meta.url, './lua/create-operation.lua');
const beginScript = loadLuaScript(import.meta.url, './lua/begin-operation.lua');
const startStepScript = loadLuaScript(import.meta.url, './lua/start-step.lua');
const finishStepScript = loadLuaScript(import.meta.url, './lua/finish-step.lua');
const endScript = loadLuaScript(import.meta.url, './lua/end-operation.lua');

/** How long an operation that ended can be read. */
const keepMs = 7 * 24 * 3_600_000;

const listKey = `${keyPrefix}operations`;
/** set: operations that have not ended, for those who take up what a crash cut off. */
const unfinishedKey = `${keyPrefix}unfinished-operations`;
const operationKeys = (id: string) => [`${keyPrefix}operation:${id}`, `${keyPrefix}operation-steps:${id}`] as const;

export async function createOperation(redis: Redis, draft: OperationDraft): Promise<Operation> {
  const { id, ...fields } = draft;
  await createScript.run(redis, [operationKeys(id)[0], listKey, unfinishedKey], [id, keepMs, keyPrefix, ...hashFields(fields)]);
  return requireOperation(redis, id);
}

export async function getOperation(redis: Redis, id: OperationId): Promise<Operation | undefined> {
  const [operation] = await getOperations(redis, [id]);
  return operation;
}

/** Throws operation_not_found. */
export async function requireOperation(redis: Redis, id: OperationId): Promise<Operation> {
  const operation = await getOperation(redis, id);
  if (operation) return operation;
  throw new ThawError('operation_not_found', `there is no operation ${id}`, {
    fix: 'List them with GET /v1/operations; an operation is kept for 7 days after its end.',
  });
}

/** Newest first. */
export async function listOperations(redis: Redis, query: PageQuery): Promise<Page<Operation>> {
  const { members, ...next } = await readNewest(redis, listKey, query);
  return { items: await getOperations(redis, members), ...next };
}

/** Queued or running ones, of one kind or of all, in no order. */
export async function listUnfinishedOperations(redis: Redis, kind?: string): Promise<Operation[]> {
  const operations = await getOperations(redis, await redis.smembers(unfinishedKey));
  return operations.filter((operation) => operation.kind === (kind ?? operation.kind) && !hasEnded(operation.state));
}

const StateReply = OperationState.nullable();

/**
 * A worker takes the operation up. One that an earlier run left `running` begins afresh, without its steps.
 * Answers the state afterwards: anything but `running` is the end that it had reached; null when there is no such operation.
 */
export async function beginOperation(redis: Redis, id: OperationId): Promise<OperationState | null> {
  return StateReply.parse(await beginScript.run(redis, operationKeys(id), [id, keyPrefix]));
}

/** Begins a step if the operation is running; answers the operation's state. */
export async function startStep(redis: Redis, id: OperationId, name: string): Promise<OperationState | null> {
  return StateReply.parse(await startStepScript.run(redis, operationKeys(id), [id, name, keyPrefix]));
}

export async function finishStep(
  redis: Redis,
  id: OperationId,
  step: { name: string; state: 'succeeded' | 'failed'; tookMs: number },
): Promise<void> {
  await finishStepScript.run(redis, operationKeys(id), [id, step.name, step.state, step.tookMs, keyPrefix]);
}

/** False when it had ended before: an end is never replaced by another. */
export async function endOperation(redis: Redis, id: OperationId, end: OperationEnd): Promise<boolean> {
  const { state, ...fields } = end;
  return (await endScript.run(redis, [...operationKeys(id), unfinishedKey], [id, state, keepMs, keyPrefix, ...hashFields(fields)])) === 1;
}

const OperationHash = z.object({
  ...Operation.shape,
  params: jsonField(Operation.shape.params),
  result: jsonField(z.record(z.string(), z.unknown())).exactOptional(),
  problem: jsonField(Failure).exactOptional(),
  createdAt: z.coerce.number(),
  updatedAt: z.coerce.number(),
});
const Steps = z.array(jsonField(OperationStep));
const Hash = z.record(z.string(), z.string());

async function getOperations(redis: Redis, ids: readonly string[]): Promise<Operation[]> {
  const pipeline = redis.pipeline();
  for (const id of ids) {
    const [hashKey, stepsKey] = operationKeys(id);
    pipeline.hgetall(hashKey).lrange(stepsKey, 0, -1);
  }
  const replies = await runPipeline(pipeline);
  return ids.flatMap((_, index) => {
    const hash = Hash.parse(replies[2 * index]);
    return 'id' in hash ? OperationHash.parse({ ...hash, steps: Steps.parse(replies[2 * index + 1]) }) : [];
  });
}
