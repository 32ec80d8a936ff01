import { OpenAPIHono } from '@hono/zod-openapi';
import type { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import type { AppEnv } from './access.ts';
import type { WrongField } from './problem.ts';

/** A router whose requests that do not fit their schema are refused with validation_failed and the path of each wrong field. */
export function newRouter(): OpenAPIHono<AppEnv> {
  return new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw validationFailure(result.error.issues, places[result.target]);
    },
  });
}

const places = { json: 'body', form: 'form', query: 'query', param: 'path', header: 'header', cookie: 'cookie' } as const;

/** The issues of a zod error as the problem that names every wrong field. */
function validationFailure(issues: readonly z.core.$ZodIssue[], place: WrongField['in'] = 'body'): ThawError {
  const errors = issues.flatMap((issue) => wrongFields(issue, place));
  const names = errors.map((error) => `${error.path || place}: ${error.message}`);
  const shown = names.slice(0, 3).join('; ');
  return new ThawError('validation_failed', names.length > 3 ? `${shown}; and ${names.length - 3} more` : shown, {
    fix: 'Correct the fields listed in `errors`; /docs shows the schema.',
    details: { errors },
  });
}

function wrongFields(issue: z.core.$ZodIssue, place: WrongField['in']): WrongField[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ in: place, path: pathOf([...issue.path, key]), message: 'unknown field' }));
  }
  return [{ in: place, path: pathOf(issue.path), message: issue.message }];
}

/** `ports[0].name`, as one would write it in code. */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
