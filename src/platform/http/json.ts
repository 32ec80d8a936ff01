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
const always = ['unauthenticated', 'forbidden', 'validation_failed', 'redis_unavailable', 'internal'] as const;

type StatusOf<C extends ProblemCode> = (typeof problems)[C]['status'];
interface ProblemResponse {
  description: string;
  content: { 'application/problem+json': { schema: typeof Problem } };
}

/** The failures of a route by their codes, for `responses`; what any route can answer is added. */
export function problemResponses<C extends ProblemCode>(...codes: C[]) {
  const all = new Set<ProblemCode>([...codes, ...always]);
  const responses: Record<number, ProblemResponse> = {};
  for (const code of all) {
    const { status, title } = problems[code];
    const before = responses[status];
    const line = `\`${code}\`: ${title}`;
    responses[status] = {
      description: before ? `${before.description} · ${line}` : line,
      content: { 'application/problem+json': { schema: Problem } },
    };
  }
  return responses as { [S in StatusOf<C | (typeof always)[number]>]: ProblemResponse };
}
