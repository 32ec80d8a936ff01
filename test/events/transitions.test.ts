import { expect, it } from 'vitest';
import { setAlias } from '#src/goldens/aliases.ts';
import { removeTemplate } from '#src/goldens/remove-template.ts';
import { moveInstance } from '#src/instances/store.ts';
import { readEventsAfter } from '#src/platform/events.ts';
import { PoolSpec } from '#src/pools/pool.ts';
import { deletePool, savePool } from '#src/pools/store.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { recordClone, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();

/** What happened, each with the fields that it tells beside its time. */
async function told(noun: string) {
  const events = await readEventsAfter(node.redis, '0', 1000);
  return events.filter((event) => event.type.startsWith(`${noun}.`)).map(({ id: _id, at: _at, ...event }) => event);
}

it('a capture tells its steps from the template to the promotion', async () => {
  await takeGolden(node, 'web');
  expect(await told('template')).toEqual([{ type: 'template.saved', template: 'web' }]);
  const golden = { golden: 'web@1', template: 'web', node: 'n1', operation: expect.stringMatching(/^op-/) };
  expect(await told('golden')).toEqual(
    ['capturing', 'sealing', 'verifying', 'ready'].map((state) => ({ type: `golden.${state}`, ...golden })),
  );
  expect(await told('alias')).toEqual([
    { type: 'alias.moved', alias: 'stable', template: 'web', golden: 'web@1', to: 'web@1', actor: 'thaw' },
  ]);
  const operation = await told('operation');
  const steps = operation.filter(({ type }) => type === 'operation.step');
  expect(operation.filter((event) => !steps.includes(event)).map(({ type, kind, target }) => [type, kind, target])).toEqual(
    ['queued', 'running', 'succeeded'].map((state) => [`operation.${state}`, 'capture-golden', 'web@1']),
  );
  const of = { operation: golden.operation, kind: 'capture-golden', target: 'web@1', golden: 'web@1', type: 'operation.step' };
  expect(steps).toEqual(
    ['start', 'ready', 'checkpoint', 'verify', 'promote'].flatMap((step) => [
      { ...of, step, state: 'running' },
      { ...of, step, state: 'succeeded', tookMs: expect.any(Number) },
    ]),
  );
});

it('an instance tells every state it comes to, and why it failed', async () => {
  const golden = await takeGolden(node, 'web');
  const id = await recordClone(node, golden);
  await moveInstance(node.redis, id, { to: 'preparing' });
  await moveInstance(node.redis, id, { to: 'failed', problem: { code: 'app_not_ready', class: 'template', message: 'its log: a line' } });
  const fields = { instance: id, pool: 'web', template: 'web', golden, node: 'n1', role: 'clone' };
  expect((await told('instance')).filter((event) => event.instance === id)).toEqual([
    { type: 'instance.restoring', ...fields },
    { type: 'instance.preparing', ...fields },
    { type: 'instance.failed', ...fields, reason: 'app_not_ready' },
  ]);
});

it('what changes nothing is not told', async () => {
  await takeGolden(node, 'web');
  await putTemplate(node.redis, 'web', webSpec(), undefined);
  await setAlias(node.redis, 'web', 'stable', 1);
  const spec = PoolSpec.parse({ template: 'web', size: { ready: 1, max: 2 } });
  await savePool(node.redis, 'web', spec);
  await savePool(node.redis, 'web', spec);
  expect(await told('template')).toHaveLength(1);
  expect(await told('alias')).toHaveLength(1);
  expect(await told('pool')).toEqual([{ type: 'pool.saved', pool: 'web' }]);
});

it('a deletion is told of each thing that goes', async () => {
  await takeGolden(node, 'web');
  await savePool(node.redis, 'web', PoolSpec.parse({ template: 'web', size: { ready: 1, max: 2 } }));
  await deletePool(node.redis, 'web');
  await removeTemplate(node, 'web');
  expect((await told('pool')).at(-1)).toEqual({ type: 'pool.deleted', pool: 'web' });
  expect((await told('golden')).at(-1)).toEqual({ type: 'golden.deleted', golden: 'web@1', template: 'web', node: 'n1' });
  expect((await told('template')).at(-1)).toEqual({ type: 'template.deleted', template: 'web' });
});
