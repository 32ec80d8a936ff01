import { expect, test } from 'vitest';
import { createNeedleSearch } from '#src/engine/secrets/needle-search.ts';
import { searchStream } from '#src/engine/secrets/search-stream.ts';
import { createSecretSearch, type Extent } from '#src/engine/secrets/secret-search.ts';
import { SecretTally } from '#src/engine/secrets/secret-tally.ts';
import { createRandom } from '#test/property/random.ts';
import { fakeJwt, fakeToken } from '#test/support/fake-secrets.ts';

const canary = 'canary-1f0a9c7e';

test('each occurrence of each needle is found once, wherever it stands', () => {
  const { below } = createRandom(11);
  const needles = ['abcd', 'bcda', 'aaaa', 'abcabcabc', 'dddd\0'].map((text) => Buffer.from(text));
  const search = createNeedleSearch(needles);
  for (let round = 0; round < 50; round++) {
    const text = Buffer.from(Array.from({ length: 400 }, () => 97 + below(4)));
    const found: string[] = [];
    search(text, 0, text.length, (at, needle) => found.push(`${at} ${needle}`));
    expect(found.sort()).toEqual(naive(text, needles).sort());
  }
});

test.each([
  ['private-key', `-----BEGIN PRIVATE KEY-----\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC'.repeat(3)}\n`],
  ['private-key', `-----BEGIN RSA PRIVATE KEY-----\\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC'.repeat(3)}`],
  ['private-key', `-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n${'h1bQx7Z/+k0sPqW2'.repeat(5)}\n`],
  ['aws-access-token', fakeToken('AKIA', 16, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567')],
  ['github-pat', fakeToken('ghp_', 36)],
  ['github-fine-grained-pat', fakeToken('github_pat_', 82)],
  ['gitlab-pat', fakeToken('glpat-', 20)],
  ['slack-bot-token', `xoxb-${'1234567890'}-${'2345678901'}-${fakeToken('', 24)}`],
  ['stripe-access-token', fakeToken('sk_live_', 24)],
  ['npm-access-token', fakeToken('npm_', 36)],
  ['gcp-api-key', fakeToken('AIza', 35)],
  ['jwt', fakeJwt()],
])('a %s is found as one, in one byte a character and in two', async (kind, secret) => {
  expect(await findings(Buffer.from(`x "${secret}"`))).toEqual([{ kind, where: 'here', count: 1 }]);
  expect(await findings(Buffer.from(`"${secret}"`, 'utf16le'))).toEqual([{ kind, where: 'here', count: 1 }]);
});

test.each([
  ['a placeholder', `ghp_${'x'.repeat(36)}`],
  ["AWS's own example", 'AKIAIOSFODNN7EXAMPLE'],
  ['a key without its content', '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----'],
  ['a certificate', `-----BEGIN CERTIFICATE-----\n${'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC'.repeat(3)}`],
  ['a token that is cut off', fakeToken('ghp_', 20)],
  ['what stands in the middle of a word', `x${fakeToken('npm_', 36)}`],
])('%s is no finding', async (_, text) => {
  expect(await findings(Buffer.from(text))).toEqual([]);
});

test('a secret is found once wherever the stream is cut', async () => {
  const token = fakeToken('ghp_', 36);
  const padding = Buffer.alloc(2 * 1024 * 1024 - 16 * 1024 - 30); // so that the search's own window ends within it, too
  const content = Buffer.concat([padding, Buffer.from(`${token} ${canary}`)]);
  for (let cut = 0; cut <= 60; cut++) {
    const at = padding.length + cut;
    expect(await findings([content.subarray(0, at), content.subarray(at)])).toEqual([
      { kind: 'canary 1', where: 'here', count: 1 },
      { kind: 'github-pat', where: 'here', count: 1 },
    ]);
  }
});

test('a secret across pages is found where they lie together in memory, and nowhere else', async () => {
  const page = 4096;
  const content = Buffer.alloc(3 * page);
  content.write(canary, page - 5);
  content.write(canary, 2 * page - 5);
  const apart = [
    { start: 0, end: 2 * page },
    { start: 2 * page, end: 3 * page },
  ];
  expect(await findings(content, apart)).toEqual([{ kind: 'canary 1', where: 'here', count: 1 }]);
});

test('of a secret in too many places the most are counted by kind alone', () => {
  const tally = new SecretTally();
  for (let file = 0; file < 1000; file++) tally.add('jwt', `/file-${file}`);
  const { findings: told } = tally.report();
  expect(told).toHaveLength(101);
  expect(told[0]).toEqual({ kind: 'jwt', where: 'elsewhere', count: 900 });
});

async function findings(content: Buffer | Buffer[], extents?: readonly Extent[]) {
  const tally = new SecretTally();
  const chunks = Array.isArray(content) ? content : [content];
  await searchStream(createSecretSearch([canary]), chunks, extents, (kind) => tally.add(kind, 'here'));
  return tally.report().findings;
}

function naive(text: Buffer, needles: readonly Buffer[]): string[] {
  return needles.flatMap((needle, index) => {
    const found: string[] = [];
    for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + 1)) found.push(`${at} ${index}`);
    return found;
  });
}
