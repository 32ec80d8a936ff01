import type { ZodType } from 'zod';
import { type ProblemCode, problems } from '#src/platform/errors.ts';
import { Problem } from './problem.ts';

/** A request body. Required: without that, a POST that carries neither body nor content type would skip validation. */
export function jsonBody<S extends ZodType>(schema: S) {
  return { required: true as const, content: { 'application/json': { schema } } };
}

export function jsonResponse<S extends ZodType>(description: string, schema: S) {
  return { description, content: { 'application/json': { schema } } };
}

/** What any route can answer with. */
const always = ['unauthenticated', 'forbidden', 'validation_failed', 'rate_limited', 'redis_unavailable', 'internal'] as const;

type StatusOf<C extends ProblemCode> = (typeof problems)[C]['status'];
interface ProblemResponse {
  description: string;
  headers?: typeof retryAfter;
  content: { 'application/problem+json': { schema: typeof Problem; examples: Record<string, { $ref: string }> } };
}

const retryAfter = {
  'Retry-After': { schema: { type: 'integer' as const }, description: 'Seconds until it may go well; where that can be told' },
};

/**
 * The failures of a route by their codes, for `responses`; what any route can answer is added. In openapi.yaml the names of the examples
 * of an answer are the codes that it can have.
 */
export function problemResponses<C extends ProblemCode>(...codes: C[]) {
  const all = new Set<ProblemCode>([...codes, ...always]);
  const responses: Record<number, ProblemResponse> = {};
  for (const code of all) {
    const { status, title } = problems[code];
    const before = responses[status];
    const line = `\`${code}\`: ${title}`;
    const examples = { ...before?.content['application/problem+json'].examples, [code]: { $ref: `#/components/examples/${code}` } };
    responses[status] = {
      description: before ? `${before.description} · ${line}` : line,
      ...(status === 429 || status === 503 ? { headers: retryAfter } : {}),
      content: { 'application/problem+json': { schema: Problem, examples } },
    };
  }
  return responses as { [S in StatusOf<C | (typeof always)[number]>]: ProblemResponse };
}
