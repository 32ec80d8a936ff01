import { OpenAPIHono } from '@hono/zod-openapi';
import type { z } from 'zod';
import { type ProblemCode, ThawError } from '#src/platform/errors.ts';
import type { AppEnv } from './access.ts';
import type { WrongField } from './problem.ts';
import { shorten, validationFailed } from './validation-failed.ts';

/**
 * A router that refuses requests that do not fit their schema: validation_failed with the path of each wrong field. What no resource can be
 * named, none is named: a malformed name or id in the path is answered like one that does not exist.
 */
export function newRouter(): OpenAPIHono<AppEnv> {
  return new OpenAPIHono<AppEnv>({
    defaultHook: (result, c) => {
      if (result.success) return;
      const missing = result.target === 'param' ? missingResource(result.error.issues, c.req.param(), c.req.method) : undefined;
      throw missing ?? validationFailed(result.error.issues.flatMap((issue) => wrongFields(issue, places[result.target])));
    },
  });
}

const places = { json: 'body', form: 'form', query: 'query', param: 'path', header: 'header', cookie: 'cookie' } as const;

/** What a parameter of a path names, and how to say that there is none. */
const resources: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  template: ['template_not_found', 'template'],
  number: ['golden_not_found', 'golden'],
  alias: ['alias_not_found', 'alias'],
  pool: ['pool_not_found', 'pool'],
  claim: ['claim_not_found', 'claim'],
  instance: ['instance_not_found', 'instance'],
  operation: ['operation_not_found', 'operation'],
  node: ['node_not_found', 'node'],
  key: ['key_not_found', 'key'],
};

/** Undefined where the name is one that the request wants to give: a PUT is told what is wrong with it. */
function missingResource(
  issues: readonly z.core.$ZodIssue[],
  params: Readonly<Record<string, string>>,
  method: string,
): ThawError | undefined {
  const name = String(issues[0]?.path[0]);
  const [code, noun] = resources[name] ?? [];
  if (code === undefined || (method === 'PUT' && name === Object.keys(params).at(-1))) return undefined;
  return new ThawError(code, `there is no ${noun} ${shorten(params[name] ?? '', 64)}`, {
    fix: `No ${noun} can have that name; check where it comes from.`,
  });
}

function wrongFields(issue: z.core.$ZodIssue, place: WrongField['in'] = 'body'): WrongField[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ in: place, path: pathOf([...issue.path, key]), message: 'unknown field' }));
  }
  const message = issue.code === 'invalid_key' ? issue.issues.map((wrong) => wrong.message).join(', ') : issue.message;
  return [{ in: place, path: pathOf(issue.path), message }];
}

/** `ports[0].name`, as one would write it in code. */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
