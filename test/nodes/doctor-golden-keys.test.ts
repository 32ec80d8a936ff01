import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkGoldenKeys, isTmpfsSwapped } from '#src/nodes/doctor/golden-keys.ts';
import { parseConfig } from '#src/platform/config.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

async function judge(env: Readonly<Record<string, string>>) {
  const [signatures, encryption] = await checkGoldenKeys(parseConfig(env).goldenKeys);
  return { signatures, encryption };
}

describe('the keys of goldens, as the doctor sees them', () => {
  it('are off unless they are set', async () => {
    const found = expect.stringMatching(/^off \(THAW_/);
    expect(await judge({})).toMatchObject({ signatures: { status: 'pass', found }, encryption: { status: 'pass', found } });
  });

  it('are named by their ids, and a node that trusts keys without signing is warned', async () => {
    await using dir = await makeTempDir();
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    const [own, trusted] = [join(dir.path, 'own.pem'), join(dir.path, 'trusted.pem')];
    writeFileSync(own, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
    writeFileSync(trusted, publicKey.export({ type: 'spki', format: 'pem' }));
    expect((await judge({ THAW_SIGNING_KEY: own })).signatures).toMatchObject({
      status: 'pass',
      found: expect.stringMatching(/^signed with key [0-9a-f]{16}; unsigned ones are used, too/),
    });
    expect((await judge({ THAW_SIGNING_KEY: own, THAW_TRUSTED_KEYS: trusted })).signatures).toMatchObject({ status: 'pass' });
    expect((await judge({ THAW_TRUSTED_KEYS: trusted })).signatures).toMatchObject({
      status: 'warn',
      found: expect.stringMatching(/^not signed .* only those of [0-9a-f]{16} are used$/),
    });
  });

  it('that can not be used fail, with what is wrong', async () => {
    const { signatures, encryption } = await judge({ THAW_SIGNING_KEY: '/nowhere/key', THAW_ENCRYPTION_KEY_FILE: '/nowhere/key' });
    expect(signatures).toMatchObject({ status: 'fail', found: expect.stringContaining('THAW_SIGNING_KEY: /nowhere/key can not be read') });
    expect(encryption).toMatchObject({ status: 'fail', found: expect.stringContaining('THAW_ENCRYPTION_KEY_FILE: /nowhere/key') });
  });

  it('for encryption are tried: a command that does not unwrap what it wrapped fails', async () => {
    const key = randomBytes(32).toString('hex');
    expect((await judge({ THAW_ENCRYPTION_KEY: key })).encryption).toMatchObject({ status: 'pass' });
    expect((await judge({ THAW_ENCRYPTION_COMMAND: 'echo' })).encryption).toMatchObject({
      status: 'fail',
      found: 'the command echo (THAW_ENCRYPTION_COMMAND) answers something else to unwrap than was wrapped',
    });
    expect((await judge({ THAW_ENCRYPTION_COMMAND: 'false' })).encryption).toMatchObject({ status: 'fail' });
  });
});

describe('the plain memory of encrypted goldens', () => {
  const header = 'Filename\tType\tSize\tUsed\tPriority\n';
  const disk = '/dev/sda2 partition 8388604 0 -2\n';

  it.each([
    [header, '5.15.0-91-generic', false],
    [header + disk, '5.15.0-91-generic', true],
    [header + disk, '6.1.0-18-amd64', true],
    [header + disk, '6.4.0', false],
    [`${header}/dev/zram0 partition 8388604 0 100\n`, '5.15.0', false],
  ])('may reach a disk where there is swap on one, before Linux 6.4', (swaps, kernel, isSwapped) => {
    expect(isTmpfsSwapped(swaps, kernel)).toBe(isSwapped);
  });

  it('that may reach a disk is warned of where goldens are encrypted, and only there', async () => {
    const judgeOn = async (env: Readonly<Record<string, string>>) => (await checkGoldenKeys(parseConfig(env).goldenKeys, true))[1];
    expect(await judgeOn({ THAW_ENCRYPTION_KEY: randomBytes(32).toString('hex') })).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('this kernel swaps a tmpfs'),
      fix: expect.stringContaining('swapoff'),
    });
    expect(await judgeOn({})).toMatchObject({ status: 'pass' });
  });
});

describe('the settings of keys', () => {
  it('name one encryption key, which is 32 bytes, and never show it', () => {
    const key = 'ab'.repeat(32);
    expect(() => parseConfig({ THAW_ENCRYPTION_KEY: key, THAW_ENCRYPTION_COMMAND: 'kms' })).toThrow('set one of them');
    expect(() => parseConfig({ THAW_ENCRYPTION_KEY: 'c0ffee' })).toThrow('THAW_ENCRYPTION_KEY: 32 bytes as hex or base64');
    expect(() => parseConfig({ THAW_ENCRYPTION_KEY: 'c0ffee' })).not.toThrow('c0ffee');
  });

  it('take several trusted keys and a command with arguments', () => {
    const { goldenKeys } = parseConfig({ THAW_TRUSTED_KEYS: '/etc/a.pem, /etc/keys', THAW_ENCRYPTION_COMMAND: '/usr/bin/kms  --key 7' });
    expect(goldenKeys).toMatchObject({
      trustedKeyPaths: ['/etc/a.pem', '/etc/keys'],
      encryption: { kind: 'command', argv: ['/usr/bin/kms', '--key', '7'] },
    });
  });
});
