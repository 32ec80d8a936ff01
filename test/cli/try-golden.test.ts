import { describe, expect, test } from 'vitest';
import { tryGolden } from '#src/cli/try-golden.ts';
import { setAlias } from '#src/goldens/aliases.ts';
import { listPromotedGoldens } from '#src/goldens/promoted-goldens.ts';
import { goldenId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { idle, takeGolden, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const first = goldenId('api', 1);
const smoke = { http: { port: 8080, path: '/print?text=smoke' } };

async function tryAll(thisNode = 'n1') {
  const trials = (await listPromotedGoldens(node.redis)).map((promoted) => tryGolden(node.engine, promoted, thisNode, idle));
  return Promise.all(trials);
}

describe('the trial of promoted goldens', () => {
  test('tries each that an alias points to once, and no other', async () => {
    await takeGolden(node, 'api');
    await takeGolden(node, 'api', webSpec({ verify: { smoke } }));
    await setAlias(node.redis, 'api', 'canary', 2);
    await takeGolden(node, 'web');
    await putTemplate(node.redis, 'bare', webSpec(), undefined);
    expect(await tryAll()).toEqual([
      {
        golden: 'api@2',
        aliases: expect.toSatisfy((aliases) => aliases.length === 2),
        node: 'n1',
        status: 'pass',
        restoreMs: expect.any(Number),
      },
      { golden: 'web@1', aliases: ['stable'], node: 'n1', status: 'pass', restoreMs: expect.any(Number) },
    ]);
    expect(await node.engine.list()).toEqual([]);
  });

  test('tells why one can not be restored here, and leaves nothing of it', async () => {
    const afterRestore = { http: { port: 8080, path: '/hook' } };
    await takeGolden(node, 'api', webSpec({ hooks: { afterRestore }, verify: { smoke } }));
    for (const [call, code] of [
      ['restore', 'restore_failed'],
      ['hook', 'hook_failed'],
    ] as const) {
      node.engine.faults.failNext(call, code);
      expect(await tryAll()).toMatchObject([{ golden: first, status: 'fail', problem: { code, fix: expect.any(String) } }]);
    }
    await node.redis.hset(`{thaw}:golden:${first}`, 'state', 'failed');
    expect(await tryAll()).toMatchObject([{ golden: first, status: 'fail', problem: { code: 'golden_not_ready' } }]);
    expect(await node.engine.list()).toEqual([]);
  });

  test('tells that Thaw captures one anew after an upgrade, also where its files can be restored', async () => {
    const upgradeTo = (criu: string) => (node.engine.fingerprint = { ...node.engine.fingerprint, criu });
    upgradeTo('4.1');
    await takeGolden(node, 'api');
    upgradeTo('4.2');
    expect(await tryAll()).toMatchObject([{ status: 'pass', incompatible: ['CRIU 4.2 instead of 4.1'] }]);
  });

  test('leaves one to its own node whose files are not here, and tells of files that should be', async () => {
    await takeGolden(node, 'api');
    await node.engine.removeGolden(first);
    expect(await tryAll('n2')).toEqual([{ golden: first, aliases: ['stable'], node: 'n1', status: 'skip' }]);
    expect(await tryAll('n1')).toMatchObject([{ status: 'fail', problem: { code: 'golden_missing' } }]);
  });
});
