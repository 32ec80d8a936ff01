import { lstatSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { goldenDirectory } from '#src/engine/criu/instance-layout.ts';
import { type GoldenId, goldenId, newInstanceId } from '#src/platform/ids.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

const node = useCriuNode();
const [first, second] = [goldenId('shared', 1), goldenId('shared', 2)] as const;
const megabyte = 1024 * 1024;

test('what an app wrote alike before two checkpoints is stored once, and a clone has it when the other golden is gone', async () => {
  writeFileSync(join(node.image.replace('dir:', ''), 'etc/model'), Buffer.alloc(4 * megabyte, 'model'));
  const unpack = 'cp -p /etc/model /var/model; exec perl /srv/test-app.pl';
  for (const golden of [first, second]) {
    const primer = await node.startReady({ command: ['/bin/sh', '-c', unpack] });
    await node.engine.checkpoint(primer.id, golden);
  }
  const modelOf = (golden: GoldenId) => lstatSync(join(goldenDirectory(node.config.paths, golden), 'diff/var/model'));
  expect(modelOf(second).ino).toBe(modelOf(first).ino);
  const { usedBytes, uniqueBytes } = await node.engine.goldenDisk();
  const unique = [...uniqueBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  expect(usedBytes - unique).toBe(4 * megabyte);

  await node.engine.removeGolden(first);
  expect((await node.engine.goldenDisk()).uniqueBytes.get(second)).toBe((await node.engine.goldenDisk()).usedBytes);
  const clone = newInstanceId();
  await node.engine.restore(second, clone);
  const compared = await node.engine.exec(clone, ['cmp', '/etc/model', '/var/model'], { timeoutMs: 5000 });
  expect(compared).toMatchObject({ exitCode: 0, stdout: '' });
  await node.engine.verifyGolden(second);

  await node.engine.destroy(clone);
  expect(readdirSync(node.config.paths.images)).toHaveLength(1);
  await node.engine.removeGolden(second);
  expect(readdirSync(node.config.paths.images)).toEqual([]); // nothing needs it any more
});
