import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sealGolden } from '#src/engine/criu/golden-seal.ts';
import { goldenLayout } from '#src/engine/criu/instance-layout.ts';
import { openSigningKey } from '#src/engine/golden-keys/signing-key.ts';
import { type GoldenId, goldenId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

describe('a signed golden', () => {
  const node = useCriuNode();
  const [signed, unsigned] = [goldenId('signed', 1), goldenId('unsigned', 1)];
  const [own, foreign] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];

  const directoryOf = (id: GoldenId) => join(node.config.paths.goldens, id.replace('@', '/'));
  const keyFile = (name: string) => join(dirname(node.config.paths.dataDir), name);

  function writeKey(name: string, key: KeyObject): string {
    writeFileSync(keyFile(name), key.export({ type: key.type === 'private' ? 'pkcs8' : 'spki', format: 'pem' }), { mode: 0o600 });
    return keyFile(name);
  }

  async function capture(id: GoldenId) {
    return await node.engine.checkpoint((await node.startReady()).id, id);
  }

  async function expectUntrusted(id: GoldenId, said: string): Promise<void> {
    const untrusted = { code: 'golden_untrusted', class: 'golden', message: expect.stringContaining(said), fix: expect.any(String) };
    await expect(node.engine.restore(id, newInstanceId())).rejects.toMatchObject(untrusted);
    await expect(node.engine.verifyGolden(id)).rejects.toMatchObject(untrusted);
    expect(await node.engine.list()).toEqual([]);
  }

  beforeAll(async () => {
    expect(await capture(unsigned)).not.toHaveProperty('signedBy');
    writeKey('own.pem', own.privateKey);
    writeKey('own.pub.pem', own.publicKey);
    writeKey('foreign.pub.pem', foreign.publicKey);
    await node.reopen({ THAW_SIGNING_KEY: keyFile('own.pem') });
    expect(await capture(signed)).toMatchObject({ signedBy: openSigningKey(keyFile('own.pem')).keyId });
  });

  it('is used where its key is trusted: as our own, or by its public half', async () => {
    await node.reopen({ THAW_TRUSTED_KEYS: `${keyFile('foreign.pub.pem')},${keyFile('own.pub.pem')}` });
    await node.engine.restore(signed, newInstanceId());
    await node.reopen({ THAW_TRUSTED_KEYS: keyFile('foreign.pub.pem'), THAW_SIGNING_KEY: keyFile('own.pem') });
    await node.engine.restore(signed, newInstanceId());
  });

  it('of a foreign key, and one without a signature, is refused where keys are trusted, and only there', async () => {
    await node.reopen({ THAW_TRUSTED_KEYS: keyFile('foreign.pub.pem') });
    await expectUntrusted(signed, 'it is signed by key');
    await expectUntrusted(unsigned, 'it is not signed');
    await node.reopen();
    await node.engine.restore(unsigned, newInstanceId());
    await node.engine.restore(signed, newInstanceId());
  });

  it('is refused when its files and manifest were changed together, or its signature was', async () => {
    await node.reopen({ THAW_TRUSTED_KEYS: keyFile('own.pub.pem') });
    const directory = directoryOf(signed);
    await run(['cp', '-a', directory, `${directory}.kept`], { timeoutMs: 10_000 });
    const record = join(directory, 'golden.json');
    writeFileSync(record, readFileSync(record, 'utf8').replace('"cpuMs":', '"cpuMs":9'));
    rmSync(join(directory, 'manifest.json'));
    await sealGolden(goldenLayout(directory), signed);
    await expectUntrusted(signed, 'is not for these files');

    writeFileSync(join(directory, 'signature.json'), 'not json');
    await expectUntrusted(signed, 'its signature.json is no signature');
    rmSync(directory, { recursive: true });
    renameSync(`${directory}.kept`, directory);
    await node.engine.restore(signed, newInstanceId());
  });

  it('keeps an engine from opening with a key that can not be used', async () => {
    await expect(node.reopen({ THAW_SIGNING_KEY: keyFile('own.pub.pem') })).rejects.toMatchObject({
      code: 'node_unfit',
      message: expect.stringContaining('holds a public key, which can not sign'),
    });
    await node.reopen();
  });
});
