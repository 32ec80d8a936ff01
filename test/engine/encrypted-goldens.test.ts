import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, linkSync, lstatSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealGolden } from '#src/engine/criu/golden-seal.ts';
import { GoldenStore } from '#src/engine/criu/golden-store.ts';
import { goldenLayout } from '#src/engine/criu/instance-layout.ts';
import { createMemoryHolds } from '#src/engine/criu/memory-holds.ts';
import { openGoldenKeys } from '#src/engine/golden-keys/golden-keys.ts';
import { type GoldenId, goldenId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { askState, waitUntilReady } from '#test/contract/ask-app.ts';
import { flipByte } from '#test/support/flip-byte.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

const wrappingKey = randomBytes(32).toString('hex');
const encrypting = { THAW_ENCRYPTION_KEY: wrappingKey };
const fileCanary = `canary-${randomBytes(12).toString('hex')}`;
const envCanary = `canary-${randomBytes(12).toString('hex')}`;

describe('an encrypted golden', () => {
  const node = useCriuNode();
  const golden = goldenId('encrypted', 1);
  const plainGolden = goldenId('plain', 1);
  let token = '';
  let counter = 0;

  const directoryOf = (id: GoldenId) => join(node.config.paths.goldens, id.replace('@', '/'));
  const plainCopy = () => {
    const root = join(node.config.paths.run, 'plain');
    const names = existsSync(root) ? readdirSync(root) : [];
    return join(root, names.find((name) => name.startsWith(`${golden}-`)) ?? 'none');
  };

  /** An app that holds a canary in memory and one in a file, has deleted a file of its image and made a directory of it anew. */
  async function capture(id: GoldenId) {
    const primer = await node.startReady({ env: { CANARY: envCanary } });
    const script = `echo ${fileCanary} > /srv/kept; chmod 640 /srv/kept; chown 1000:1000 /srv/kept; rm /bin/wc; rm -r /var/tmp; mkdir /var/tmp; touch /var/tmp/new`;
    await node.engine.exec(primer.id, ['sh', '-c', script], { timeoutMs: 5000 });
    const state = await askState(primer);
    return { state, checkpoint: await node.engine.checkpoint(primer.id, id) };
  }

  async function clone(id: GoldenId = golden) {
    const instance = newInstanceId();
    const placed = { ...(await node.engine.restore(id, instance)), id: instance };
    await waitUntilReady(placed);
    return placed;
  }

  /** The files on the disk that hold the text, in any form grep finds. */
  async function filesWith(text: string): Promise<string[]> {
    const { stdout } = await run(
      ['grep', '--recursive', '--files-with-matches', '--fixed-strings', '--exclude-dir=run', text, node.config.paths.dataDir],
      {
        timeoutMs: 60_000,
        okCodes: [1],
      },
    );
    return stdout.split('\n').filter((line) => line !== '');
  }

  /** Runs `task` on the golden as `change` leaves it, then puts it back. `reseal`: as somebody does who can write the manifest too. */
  async function changed(change: (directory: string) => unknown, task: () => Promise<void>, reseal = false): Promise<void> {
    const directory = directoryOf(golden);
    const kept = `${directory}.kept`;
    await run(['cp', '-a', directory, kept], { timeoutMs: 10_000 });
    rmSync(plainCopy(), { recursive: true, force: true });
    try {
      await change(directory);
      if (reseal) {
        rmSync(join(directory, 'manifest.json'));
        await sealGolden(goldenLayout(directory), golden);
      }
      await task();
    } finally {
      rmSync(directory, { recursive: true });
      renameSync(kept, directory);
    }
  }

  async function expectRefused(problem: object): Promise<void> {
    await expect(node.engine.restore(golden, newInstanceId())).rejects.toMatchObject(problem);
    expect(readdirSync(join(node.config.paths.run, 'plain'))).toEqual([]);
    expect(await node.engine.list()).toEqual([]);
  }

  const corrupt = (...said: string[]) => ({ code: 'golden_corrupt', message: expect.stringMatching(new RegExp(said.join('.*'))) });
  const pagesFile = (directory: string) => readdirSync(join(directory, 'image')).find((name) => name.startsWith('pages-')) ?? 'missing';

  beforeAll(async () => {
    await capture(plainGolden);
    await node.reopen(encrypting);
    const { state, checkpoint } = await capture(golden);
    ({ token, counter } = state);
    expect(checkpoint).toMatchObject({ encryptedWith: expect.stringMatching(/^[0-9a-f]{16}$/), pagesBytes: expect.any(Number) });
    expect(checkpoint.timingsMs).toMatchObject({ dump: expect.any(Number), encrypt: expect.any(Number), seal: expect.any(Number) });
  }, 60_000);
  afterAll(async () => {
    for (const id of [golden, plainGolden]) await node.engine.removeGolden(id);
    expect(readdirSync(join(node.config.paths.run, 'plain'))).toEqual([]);
  });

  it('has nothing on the disk of what the app held in memory, in files or in its environment; a plain one has all of it', async () => {
    for (const canary of [fileCanary, envCanary]) {
      const found = await filesWith(canary);
      expect(found.filter((file) => file.startsWith(`${directoryOf(plainGolden)}/`))).not.toEqual([]);
      expect(found.filter((file) => !file.startsWith(`${directoryOf(plainGolden)}/`))).toEqual([]);
    }
    expect(await filesWith(token)).toEqual([]);
    const names = readdirSync(directoryOf(golden));
    expect(names.sort()).toEqual([
      'config.json.enc',
      'data.key',
      'diff.tar.enc',
      'encryption.json',
      'files.json.enc',
      'golden.json.enc',
      'image',
      'manifest.json',
      'state.json.enc',
    ]);
  });

  it('brings back clones that go on where the primer was, with what it had deleted, changed and owned', async () => {
    const clones = [await clone(), await clone()];
    for (const instance of clones) {
      expect(await askState(instance)).toMatchObject({ token, counter: expect.any(Number) });
      const script = 'cat /srv/kept; stat -c "%a %u:%g" /srv/kept; ls /var/tmp; ls /bin/wc';
      const { stdout, stderr } = await node.engine.exec(instance.id, ['sh', '-c', script], { timeoutMs: 5000 });
      expect(stdout).toBe(`${fileCanary}\n640 1000:1000\nnew\n`);
      expect(stderr).toContain('/bin/wc: No such file');
    }
    expect(counter).toBeGreaterThan(0);
  });

  it('is decrypted once: clones share the copy, and a worker that starts again finds it', async () => {
    await clone();
    const before = statSync(join(plainCopy(), 'digest'), { bigint: true });
    await node.reopen(encrypting);
    await clone();
    expect(statSync(join(plainCopy(), 'digest'), { bigint: true })).toMatchObject({ ino: before.ino, ctimeNs: before.ctimeNs });
  });

  it('whose files are replaced has a copy of each for as long as clones run on both', async () => {
    const replaced = goldenId('encrypted', 2);
    const copies = () => readdirSync(join(node.config.paths.run, 'plain')).filter((name) => name.startsWith(`${replaced}-`)).length;
    const before = await capture(replaced);
    const old = await clone(replaced);
    const primer = await node.startReady();
    const { digest } = await node.engine.checkpoint(primer.id, replaced, undefined, { replace: true });
    expect(digest).not.toBe(before.checkpoint.digest);
    const young = await clone(replaced);
    expect((await askState(young)).token).not.toBe(before.state.token);
    expect(copies()).toBe(2);
    const { stdout } = await node.engine.exec(old.id, ['cat', '/srv/kept'], { timeoutMs: 5000 });
    expect(stdout).toBe(`${fileCanary}\n`);
    await node.engine.destroy(old.id);
    await node.engine.destroy(young.id);
    await node.engine.removeGolden(replaced);
    expect(copies()).toBe(0);
    expect(readdirSync(join(node.config.paths.goldens, 'encrypted'))).toEqual(['1']);
  });

  it('gives its memory back when it is unused and nothing runs on it, and is decrypted again for the next clone', async () => {
    const { paths, goldenKeys } = node.config;
    const store = new GoldenStore({ paths, memory: createMemoryHolds(0), keys: openGoldenKeys(goldenKeys) });
    const hasCopy = () => existsSync(join(plainCopy(), 'digest'));
    const instance = await clone();
    await store.dropIdle(0);
    expect(hasCopy()).toBe(true);
    await node.engine.destroy(instance.id);
    await store.dropIdle(3_600_000);
    expect(hasCopy()).toBe(true);
    await store.dropIdle(0);
    expect(hasCopy()).toBe(false);
    await clone();
    expect(hasCopy()).toBe(true);
  });

  it('with a flipped bit, a cut file, a file too many or none of its key is refused before anything is decrypted', async () => {
    await changed(
      (directory) => flipByte(join(directory, 'image')),
      () => expectRefused(corrupt('pages-.*has changed since it was sealed')),
    );
    await changed(
      (directory) => truncateSync(join(directory, 'diff.tar.enc'), 100),
      () => expectRefused(corrupt('diff.tar.enc has changed')),
    );
    await changed(
      (directory) => cpSync(join(directory, 'golden.json.enc'), join(directory, 'more.enc')),
      () => expectRefused(corrupt('more.enc was added')),
    );
    await changed(
      (directory) => rmSync(join(directory, 'data.key')),
      () => expectRefused(corrupt('data.key is missing')),
    );
  });

  it('is refused by its chunks, too, when its manifest was made to fit', async () => {
    await changed(
      (directory) => flipByte(join(directory, 'image')),
      () => expectRefused(corrupt('pages-', 'chunk 0')),
      true,
    );
    const cut = (directory: string) => {
      const file = join(directory, 'image', pagesFile(directory));
      truncateSync(file, lstatSync(file).size - 10);
    };
    await changed(cut, () => expectRefused(corrupt('pages-', 'the last, was altered, moved or cut')), true);
    const exchange = (directory: string) => {
      const [one, other] = [join(directory, 'config.json.enc'), join(directory, 'state.json.enc')];
      renameSync(one, `${one}.was`);
      renameSync(other, one);
      renameSync(`${one}.was`, other);
    };
    await changed(exchange, () => expectRefused(corrupt('(config|state).json.enc is not what was encrypted')), true);
    await changed(
      (directory) => rmSync(join(directory, 'state.json.enc')),
      () => expectRefused(corrupt('state.json.enc is missing')),
      true,
    );
    const rename = (directory: string) =>
      run(['sed', '-i', 's/encrypted@1/encrypted@2/', join(directory, 'encryption.json')], { timeoutMs: 5000 });
    await changed(rename, () => expectRefused(corrupt('data.key is not the key that was wrapped for it')), true);
    const other = (directory: string) => run(['sed', '-i', 's/sha256:/sha256:0/', join(directory, 'encryption.json')], { timeoutMs: 5000 });
    await changed(other, () => expectRefused(corrupt('chunk 0')), true);
  });

  it('without a key, or with another, is refused in words and works again with the right one; a plain one needs none', async () => {
    rmSync(plainCopy(), { recursive: true, force: true });
    await node.reopen();
    await expectRefused({
      code: 'encryption_key_missing',
      message: expect.stringContaining('is encrypted with key'),
      fix: expect.stringContaining('THAW_ENCRYPTION_KEY'),
    });
    await node.engine.verifyGolden(golden); // its files are what they were: that needs no key
    await node.reopen({ THAW_ENCRYPTION_KEY: randomBytes(32).toString('base64') });
    await expectRefused({ code: 'encryption_key_wrong', message: expect.stringContaining('the key in THAW_ENCRYPTION_KEY is') });
    await clone(plainGolden);
    await node.reopen(encrypting);
    await clone(plainGolden);
    expect(await askState(await clone())).toMatchObject({ token });
  });

  it('is not begun when its key can not be had: the app is not touched, and nothing stays', async () => {
    const never = goldenId('never', 1);
    const primer = await node.startReady();
    await node.reopen({ THAW_ENCRYPTION_COMMAND: 'false' });
    try {
      await expect(node.engine.checkpoint(primer.id, never)).rejects.toMatchObject({ code: 'encryption_key_missing' });
      expect(await askState(primer)).toMatchObject({ counter: expect.any(Number) });
      expect(readdirSync(join(node.config.paths.goldens, 'never'))).toEqual([]);
      expect(readdirSync(join(node.config.paths.run, 'plain')).filter((name) => name.startsWith('never'))).toEqual([]);
    } finally {
      await node.reopen(encrypting);
    }
  });

  it('is not decrypted into memory that the node keeps', async () => {
    rmSync(plainCopy(), { recursive: true, force: true });
    await node.reopen({ ...encrypting, THAW_MEMORY_RESERVE_MB: '1000000' });
    try {
      await expectRefused({ code: 'memory_reserve', message: expect.stringContaining('the plain copy of golden encrypted@1 needs') });
    } finally {
      await node.reopen(encrypting);
    }
  });

  it('is root’s alone and read-only, file by file, as a plain one is', async () => {
    for (const id of [golden, plainGolden]) {
      const directory = directoryOf(id);
      const { stdout } = await run(['find', directory, '-path', `${directory}/diff`, '-prune', '-o', '-printf', '%y %m %U:%G\n'], {
        timeoutMs: 10_000,
      });
      expect([...new Set(stdout.trim().split('\n'))].sort()).toEqual(['d 700 0:0', 'f 400 0:0']);
    }
  });

  it('loses its key before anything else when it is deleted', async () => {
    const doomed = goldenId('doomed', 1);
    await capture(doomed);
    const directory = directoryOf(doomed);
    const keyLink = join(node.config.paths.dataDir, '..', 'key-link');
    linkSync(join(directory, 'data.key'), keyLink);
    const wrapped = readFileSync(keyLink);
    await run(['mount', '-t', 'tmpfs', 'none', join(directory, 'image')], { timeoutMs: 5000 }); // can not be removed
    try {
      await expect(node.engine.removeGolden(doomed)).rejects.toThrow(/busy/i);
      expect(existsSync(join(directory, 'data.key'))).toBe(false);
      expect(readFileSync(keyLink).equals(wrapped)).toBe(false);
      expect(readFileSync(keyLink)).toHaveLength(wrapped.length);
    } finally {
      await run(['umount', join(directory, 'image')], { timeoutMs: 5000 });
    }
    await node.engine.removeGolden(doomed);
    expect(existsSync(directory)).toBe(false);
  });
});
