import { existsSync, readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Gate, openGate } from '#test/support/gate.ts';
import { made } from '#test/support/made.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';
import { testTemplate } from '#test/support/test-template.ts';
import { startThaw, type ThawProcess } from '#test/support/thaw-process.ts';
import { eventually } from '#test/support/thaw-rest.ts';

const Operation = z.object({ id: z.string(), target: z.string() });
const Golden = z.object({ state: z.string(), digest: z.string().optional() });
const Alias = z.object({ golden: z.number() });

/** Real processes and a real registry, behind a gate that keeps a move where it is as long as the test likes. */
describe('a worker that is killed while a golden is moved', () => {
  let registry: TestRegistry | undefined;
  let thaw: ThawProcess;
  let gate: Gate;

  beforeAll(async () => {
    registry = await startTestRegistry({ auth: false });
    gate = await openGate(registry.host);
    thaw = await startThaw({ THAW_INSECURE_REGISTRIES: gate.host });
    await thaw.rest.putTemplate('web', testTemplate(thaw.image));
    expect(await thaw.rest.capture('web')).toMatchObject({ state: 'succeeded' });
  });

  afterAll(async () => {
    await thaw?.close();
    await gate?.[Symbol.asyncDispose]();
    await registry?.stop();
  });

  const place = () => `docker://${gate.host}/goldens/web:1`;

  async function send<T>(answer: z.ZodType<T>, method: string, path: string, body?: object): Promise<T> {
    const headers = { authorization: `Bearer ${thaw.apiKey}`, 'content-type': 'application/json' };
    const response = await fetch(`${thaw.config.url}/v1${path}`, { method, headers, ...(body && { body: JSON.stringify(body) }) });
    return answer.parse(await response.json());
  }

  const begin = (path: string, body: object) => send(Operation, 'POST', `/templates/web/goldens${path}`, body);
  const golden = (number: number) => send(Golden, 'GET', `/templates/web/goldens/${number}`);

  /** Until skopeo waits at the gate. */
  async function untilStuck(): Promise<void> {
    await eventually(async () => expect(gate.waiting()).toBeGreaterThan(0));
  }

  async function killWorker(): Promise<void> {
    const pids = thaw.pids();
    await thaw.kill('worker');
    await thaw.untilReplaced('worker', pids);
  }

  function expectNothingLeft(): void {
    const { moves, goldens } = thaw.config.paths;
    expect(existsSync(moves) ? readdirSync(moves) : []).toEqual([]);
    expect(readdirSync(`${goldens}/web`).filter((name) => !/^\d+$/.test(name))).toEqual([]);
  }

  it('has its export brought to an end by the next', async () => {
    const { id } = await begin('/1/export', { to: place() });
    await untilStuck();
    await killWorker();
    gate.open();
    expect(await thaw.rest.untilEnded(id)).toMatchObject({ state: 'succeeded' });
    expectNothingLeft();
  });

  it('has its import brought to an end by the next, and the golden is the one that was exported', async () => {
    gate.shut();
    const { id } = await begin('', { from: { image: place() } });
    await untilStuck();
    await killWorker();
    gate.open();
    expect(await thaw.rest.untilEnded(id)).toMatchObject({ state: 'succeeded', result: { golden: 'web@2' } });
    expect(await golden(2)).toMatchObject({ state: 'ready', digest: made((await golden(1)).digest) });
    expectNothingLeft();
  });

  it('finds an import that was cancelled meanwhile, and nothing of it is left while `stable` goes on', async () => {
    gate.shut();
    const { id } = await begin('', { from: { image: place() } });
    await untilStuck();
    await thaw.kill('worker');
    await send(z.object({ state: z.literal('cancelled') }), 'POST', `/operations/${id}/cancel`);
    await eventually(async () => expect((await golden(3)).state).toBe('failed'));
    await eventually(async () => expectNothingLeft());
    expect(await send(z.object({ items: z.array(Alias) }), 'GET', '/templates/web/aliases')).toMatchObject({ items: [{ golden: 2 }] });
    expect(existsSync(`${thaw.config.paths.goldens}/web/3`)).toBe(false);
  });
});
