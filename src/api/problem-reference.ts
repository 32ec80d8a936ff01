import { type ProblemCode, problems, ThawError } from '#src/platform/errors.ts';
import { problemCodes } from '#src/platform/failure.ts';
import { problemOf } from '#src/platform/http/problem.ts';

/** The table of all problems as Markdown, for people. */
export function problemTable(): string {
  const rows = Object.entries(problems).map(([code, { status, class: kind, title }]) => `| \`${code}\` | ${status} | ${kind} | ${title} |`);
  return ['| Code | Status | Class | Title |', '|---|---|---|---|', ...rows].join('\n');
}

/** Of each problem what an answer with it looks like: `components.examples` of openapi.yaml, by code. */
export function problemExamples(): Record<string, { summary: string; value: object }> {
  return Object.fromEntries(
    problemCodes.map((code) => [
      code,
      { summary: problems[code].title, value: problemOf(exampleOf(code), '9b2f9a0c-5d0e-4d7c-8f4b-0d7f3b1f7a11') },
    ]),
  );
}

/** Where the words of a real one help most. The others say their title. */
const worded: Partial<Record<ProblemCode, ThawError>> = {
  pool_empty: new ThawError('pool_empty', 'pool search has no warm instance: 0 of 5 are warm, 2 are being restored', {
    fix: 'Wait in line with waitMs, or try again after Retry-After.',
    retryAfterMs: 600,
  }),
  validation_failed: new ThawError('validation_failed', 'leaseMs: Too small: expected number to be >=1000', {
    fix: 'Correct the fields listed in `errors`; /docs shows the schema.',
    details: { errors: [{ in: 'body', path: 'leaseMs', message: 'Too small: expected number to be >=1000' }] },
  }),
  rate_limited: new ThawError('rate_limited', 'key shop may send 50 requests per second and 100 at once', {
    fix: 'Send again after Retry-After; slow down when RateLimit-Remaining nears 0.',
    retryAfterMs: 20,
  }),
};

function exampleOf(code: ProblemCode): ThawError {
  return worded[code] ?? new ThawError(code, problems[code].title);
}
