import { z } from 'zod';
import { findAdminKey } from '#src/api/admin-key.ts';
import { createThawClient, type ThawClient } from '#src/client/client.ts';
import type { Config } from '#src/platform/config.ts';
import { CommandError, UsageError } from './command.ts';

const deadlineMs = 30_000;
/** Above any name or id there is. */
const maxNameLength = 256;

/** Of a problem answer, what a person needs. Whatever answers without one is not Thaw. */
const Problem = z.object({ detail: z.string(), code: z.string(), fix: z.string().optional() });

/** Speaks to THAW_URL (or THAW_HOST and THAW_PORT) with THAW_API_KEY or the admin key of the data directory. Its answers are read by `askFor`. */
export function connectClient(config: Pick<Config, 'url' | 'apiKey' | 'paths'>): ThawClient {
  const key = findAdminKey(config);
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new CommandError(`${config.paths.adminKey} holds no key: one is printable ASCII without blanks`, 'Set THAW_API_KEY instead.');
  }
  const fetchOrTell = (request: Request) => fetch(request).catch((error: unknown) => Promise.reject(unanswered(request.url, error)));
  return createThawClient({ url: config.url, key, fetch: fetchOrTell, retry: { attempts: 1, attemptMs: deadlineMs } });
}

/** One name of a path, as the user gave it. `.` and `..` mean other paths to a URL, and no server takes a line of any length. */
export function pathSegment(name: string): string {
  if (name.length > maxNameLength) throw new UsageError(`"${name.slice(0, 20)}…" is no name: it has ${name.length} characters`);
  if (name === '.' || name === '..') throw new UsageError(`"${name}" is no name`);
  return name;
}

/** What a call was answered, whatever it is. Throws CommandError in the service's own words when it was refused. */
export async function askFor(call: Promise<{ data?: unknown; error?: unknown; response: Response }>): Promise<unknown> {
  const { data, error, response } = await call.catch((thrown: unknown) => Promise.reject(notThaw(thrown)));
  if (response.ok) return data;
  const problem = Problem.safeParse(error).data;
  if (!problem) throw new CommandError(`the request was answered ${response.status} by something that is not Thaw`, 'Check THAW_URL.');
  throw new CommandError(problem.detail, problem.code === 'unauthenticated' ? 'Set THAW_API_KEY to a valid key.' : problem.fix);
}

/** Reads an answer. Throws CommandError when it is not what this version of the command expects. */
export function readAs<S extends z.ZodType>(schema: S, answer: unknown, path: string): z.output<S> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map((issue) => issue.path.join('.') || 'all of it').join(', ');
  throw new CommandError(
    `what answers ${path} is not as this \`thaw\` knows it: ${fields}`,
    'Use the command of the same version, or --json.',
  );
}

function unanswered(url: string, error: unknown): CommandError {
  const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : error;
  return new CommandError(`Thaw does not answer at ${url}: ${why}`, 'Start it by `thaw up`, or set THAW_URL to where it runs.', error);
}

/** JSON is read by the client itself: what it can not read was no Thaw. */
function notThaw(error: unknown): unknown {
  if (!(error instanceof SyntaxError)) return error;
  return new CommandError('the request was answered by something that is not Thaw', 'Check THAW_URL.', error);
}
