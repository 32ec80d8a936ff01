import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { goldenId } from '#src/platform/ids.ts';
import { fakeToken } from '#test/support/fake-secrets.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

const node = useCriuNode();
const golden = goldenId('scanned', 1);
const canary = 'canary-9c27d40e';
const token = fakeToken('ghp_', 36);

test('a scan of a real checkpoint finds a canary and a token in the memory of their process, in its files and in its tmpfs', async () => {
  writeFileSync(join(node.image.replace('dir:', ''), 'etc/secret'), `${token}\n`);
  const keep = 'cp /etc/secret /var/kept; cat /etc/secret > /dev/shm/kept; S=$(cat /etc/secret) exec perl /srv/test-app.pl';
  const primer = await node.startReady({ command: ['/bin/sh', '-c', keep], env: { CANARY: canary } });
  await node.engine.checkpoint(primer.id, golden);

  const { findings, scannedBytes, tookMs } = await node.engine.scanGolden(golden, ['canary-00000000', canary]);
  const found = findings.map(({ kind, where }) => `${kind}: ${where}`);
  expect(found).toEqual(expect.arrayContaining(['canary 2: perl (pid 1)', 'github-pat: perl (pid 1)', 'github-pat: /var/kept']));
  expect(found.filter((line) => line.startsWith('github-pat: a tmpfs'))).toHaveLength(1);
  expect(found.filter((line) => line.startsWith('canary 1'))).toEqual([]);
  expect(JSON.stringify(findings)).not.toContain(token);
  expect(scannedBytes).toBeGreaterThan(1_000_000);
  expect(tookMs).toBeGreaterThan(0);
});

test('of many tokens in a row none is missed where two pages of memory meet', async () => {
  const many = goldenId('scanned', 3);
  const copies = 3000;
  const primer = await node.startReady({ env: { MANY: `${token} `.repeat(copies) } });
  await node.engine.checkpoint(primer.id, many);
  const [found] = (await node.engine.scanGolden(many, [])).findings;
  expect(found).toMatchObject({ kind: 'github-pat', where: 'perl (pid 1)' });
  expect((found?.count ?? 1) % copies).toBe(0); // perl has further copies of its environment
});

test('a scan ends when it is told to, and takes no thread along', async () => {
  const threads = () => readdirSync('/proc/self/task').length;
  await node.engine.scanGolden(golden, [canary]);
  const before = threads();
  await expect(node.engine.scanGolden(golden, [canary], AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
  expect(threads()).toBeLessThanOrEqual(before);
});

test('an encrypted golden is scanned as what it is in plain', async () => {
  await node.reopen({ THAW_ENCRYPTION_KEY: '7'.repeat(64) });
  const encrypted = goldenId('scanned', 2);
  const primer = await node.startReady({ env: { CANARY: canary, TOKEN: token } });
  await node.engine.checkpoint(primer.id, encrypted);
  const { findings } = await node.engine.scanGolden(encrypted, [canary]);
  expect(new Set(findings.map(({ kind, where }) => `${kind}: ${where}`))).toEqual(
    new Set(['canary 1: perl (pid 1)', 'github-pat: perl (pid 1)']),
  );
});
