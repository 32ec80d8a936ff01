import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { problems } from '#src/platform/errors.ts';
import { readContract } from '#test/support/api-contract.ts';

const contract = readContract(readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8'));
const { operations, document } = contract;
const Named = z.object({ summary: z.string().min(10).max(160), security: z.array(z.object({ bearer: z.array(z.string()).optional() })) });

describe('openapi.yaml', () => {
  it.each(operations.map((operation) => [operation.operationId, operation] as const))(
    '%s has a summary, its security and examples',
    (_, operation) => {
      Named.parse(operation);
      const path = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      const documented = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect(documented.map(({ name }) => name).toSorted()).toEqual(path.toSorted());
      for (const { name, example } of documented) expect(example, name).toBeDefined();
      for (const [type, { example }] of Object.entries(operation.requestBody?.content ?? {})) expect(example, type).toBeDefined();
      for (const [status, { content = {} }] of Object.entries(operation.responses)) {
        for (const [type, media] of Object.entries(content)) {
          const said =
            type === 'application/problem+json'
              ? Object.keys(media.examples ?? {}).length > 0
              : status >= '300' || media.example !== undefined;
          expect(said, `${status} ${type}`).toBe(true);
        }
      }
    },
  );

  it('names each operation once', () => {
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length);
  });

  it('gives examples that fit their schemas', () => {
    const wrong = operations.flatMap(({ operationId, requestBody, responses }) => {
      const contents = [requestBody?.content, ...Object.values(responses).map(({ content }) => content)];
      return contents
        .flatMap((content) => Object.entries(content ?? {}))
        .flatMap(([type, { schema, example }]) => {
          if (schema === undefined || example === undefined || !type.endsWith('json')) return [];
          const { error } = contract.validator(schema).safeParse(example);
          return error ? [`${operationId}: ${z.prettifyError(error)} ${JSON.stringify(example)}`] : [];
        });
    });
    expect(wrong).toEqual([]);
  });

  it('knows every problem, with an answer that fits', () => {
    expect(Object.keys(document.components.examples ?? {})).toEqual(Object.keys(problems));
    for (const [code, example] of Object.entries(document.components.examples ?? {})) {
      const { value } = z.object({ value: z.unknown() }).parse(example);
      contract.validator({ $ref: '#/components/schemas/Problem' }).parse(value);
      expect(value).toMatchObject({ code, status: Object.entries(problems).find(([name]) => name === code)?.[1].status });
    }
  });
});

describe('an answer is held against it', () => {
  const at = { method: 'POST', path: '/v1/nodes/n1/cordon' };
  const answer = (status: number, type: string, body: unknown) => ({
    ...{ status, headers: new Headers({ 'content-type': type }), text: JSON.stringify(body), body },
  });
  const problemOf = (code: string) =>
    answer(404, 'application/problem+json', { type: 't', title: 't', status: 404, detail: 'd', code, class: 'request' });
  const node = contract.operations.find(({ operationId }) => operationId === 'cordonNode')?.responses['200']?.content?.['application/json'];
  const good = z.record(z.string(), z.unknown()).parse(node?.example);

  it.each([
    ['as documented', answer(200, 'application/json', good), undefined],
    ['a status that is not documented', answer(418, 'application/json', good), 'documents no 418'],
    ['a type that is not documented', answer(200, 'text/html', good), 'documents no text/html'],
    ['a wrong field', answer(200, 'application/json', { ...good, fit: 'yes' }), 'does not fit its schema'],
    ['a field too few', answer(200, 'application/json', { ...good, name: undefined }), 'does not fit its schema'],
    ['a field too many', answer(200, 'application/json', { ...good, bootId: 'b' }), 'bootId'],
    ['a code as documented', problemOf('node_not_found'), undefined],
    ['another code', problemOf('pool_not_found'), 'does not document the code pool_not_found'],
  ])('%s', (_, answered, complaint) => {
    const said = contract.complaintOf(at, answered);
    if (complaint === undefined) expect(said).toBeUndefined();
    else expect(said).toContain(complaint);
  });
});
