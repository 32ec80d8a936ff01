import { z } from 'zod';
import { findAdminKey } from '#src/api/admin-key.ts';
import type { Config } from '#src/platform/config.ts';
import { CommandError } from './command.ts';

/** The REST API as the commands see it. Answers are parsed by the caller; failures are CommandErrors in the service's own words. */
export interface Client {
  get(path: string): Promise<unknown>;
  post(path: string, body: unknown): Promise<unknown>;
  delete(path: string): Promise<unknown>;
}

const deadlineMs = 30_000;

/** Of a problem answer, what a person needs. Whatever answers without one is not Thaw. */
const Problem = z.object({ detail: z.string(), code: z.string(), fix: z.string().optional() });

/** Speaks to THAW_URL (or THAW_HOST and THAW_PORT) with THAW_API_KEY or the admin key of the data directory. */
export function connectClient(config: Pick<Config, 'url' | 'apiKey' | 'paths'>): Client {
  const key = findAdminKey(config);
  const headers = { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), 'content-type': 'application/json' };
  const request = async (method: string, path: string, body?: unknown) => {
    const url = `${config.url}${path}`;
    const answer = await send(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    return readAnswer(answer, `${method} ${url}`);
  };
  return {
    get: (path) => request('GET', path),
    post: (path, body) => request('POST', path, body),
    delete: (path) => request('DELETE', path),
  };
}

async function send(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(deadlineMs) });
  } catch (error) {
    const why = error instanceof Error && error.cause instanceof Error ? error.cause.message : error;
    throw new CommandError(`Thaw does not answer at ${url}: ${why}`, 'Start it by `thaw up`, or set THAW_URL to where it runs.', error);
  }
}

async function readAnswer(answer: Response, request: string): Promise<unknown> {
  const text = await answer.text();
  const json = parseJson(text);
  if (answer.ok && (json !== undefined || text === '')) return json;
  const problem = Problem.safeParse(json).data;
  if (!problem) throw new CommandError(`${request} was answered ${answer.status} by something that is not Thaw`, 'Check THAW_URL.');
  throw new CommandError(problem.detail, problem.code === 'unauthenticated' ? 'Set THAW_API_KEY to a valid key.' : problem.fix);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
