import type { components } from './schema.ts';

export type Problem = components['schemas']['Problem'];

/** Thaw, or what stands before it, said no. */
export class ThawProblem extends Error {
  override readonly name = 'ThawProblem';
  readonly status: number;
  /** Undefined when it was not Thaw that answered. */
  readonly problem: Problem | undefined;

  constructor(response: Response, error: unknown) {
    const problem = isProblem(error) ? error : undefined;
    super(problem ? `${problem.code}: ${problem.detail}` : `${response.url || 'the request'} was answered ${response.status}`);
    this.status = response.status;
    this.problem = problem;
  }

  get code(): Problem['code'] | undefined {
    return this.problem?.code;
  }
}

/** What a call answered. Throws ThawProblem for a refusal: `const pool = orThrow(await thaw.GET('/v1/pools/{pool}', …))`. */
export function orThrow<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (!answer.response.ok) throw new ThawProblem(answer.response, answer.error);
  return answer.data as T; // absent only where the route answers no content
}

function isProblem(error: unknown): error is Problem {
  return typeof error === 'object' && error !== null && 'code' in error && 'detail' in error;
}
