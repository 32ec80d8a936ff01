import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashTree } from '#src/engine/criu/hash-tree.ts';
import type { Checkpoint, Engine, RunPhase } from '#src/engine/engine.ts';
import { parseGoldenPlace } from '#src/engine/golden-place.ts';
import { type GoldenId, goldenId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { type AppState, askState } from '#test/contract/ask-app.ts';
import { type CriuNode, openCriuNode } from '#test/support/criu-node.ts';
import { destroyAll } from '#test/support/destroy-all.ts';
import { made } from '#test/support/made.ts';
import { startReady } from '#test/support/start-ready.ts';
import { testWorkload } from '#test/support/test-image.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';

/** Two data directories, as on two machines, and a registry between them. */
let here: CriuNode | undefined;
let there: CriuNode | undefined;
let registry: TestRegistry | undefined;
let primer: AppState;
let checkpoint: Checkpoint;

const timeoutMs = 30_000;
const original = goldenId('api', 7);
const asked = { overwrite: false, plain: false };
const at: RunPhase = (_name, work) => work(new AbortController().signal);

beforeAll(async () => {
  registry = await startTestRegistry({ auth: false });
  const settings = { THAW_INSECURE_REGISTRIES: registry.host };
  here = await openCriuNode(settings);
  there = await openCriuNode(settings);
  const instance = await startReady(here.engine, testWorkload(here.image));
  await here.engine.exec(
    instance.id,
    ['/bin/sh', '-c', 'mkdir -p /tmp/deep && echo kept > /tmp/deep/file && ln /tmp/deep/file /tmp/deep/link && rm /etc/nsswitch.conf'],
    {
      timeoutMs: 5000,
    },
  );
  primer = await askState(instance);
  checkpoint = await here.engine.checkpoint(instance.id, original);
});

afterAll(async () => {
  await here?.close();
  await there?.close();
  await registry?.stop();
});

const files = (node: CriuNode, golden: GoldenId) => join(node.config.paths.goldens, golden.replace('@', '/'));
const root = (node: CriuNode) => node.config.imageRoots[0] ?? '';

async function hashes(directory: string) {
  return await Array.fromAsync(hashTree(directory));
}

async function bring(to: string): Promise<void> {
  await made(here).engine.exportGolden(original, parseGoldenPlace(to), asked, at);
}

function take(golden: GoldenId, from: string, engine: Engine = made(there).engine) {
  return engine.importGolden(testWorkload(made(there).image), golden, parseGoldenPlace(from), at);
}

/** A clone of it over there goes on where the primer was. */
async function expectGoesOn(golden: GoldenId): Promise<void> {
  const { engine } = made(there);
  const id = newInstanceId();
  const clone = await engine.restore(golden, id);
  expect(await askState(clone)).toMatchObject({ token: primer.token, counter: primer.counter + 1, pid: primer.pid });
  const { stdout } = await engine.exec(id, ['/bin/sh', '-c', 'cat /tmp/deep/link; test -e /etc/nsswitch.conf || echo gone'], {
    timeoutMs: 5000,
  });
  expect(stdout).toBe('kept\ngone\n');
  await engine.destroy(id);
}

/** Nothing of a move that failed is left. */
function expectNothingLeft(node: CriuNode): void {
  expect(existsSync(node.config.paths.moves) ? readdirSync(node.config.paths.moves) : []).toEqual([]);
  expect(readdirSync(root(node)).filter((name) => name.includes('thaw-partial'))).toEqual([]);
}

describe('a golden that is moved', () => {
  it('through a registry is bit-equal on another node, and its clones go on', async () => {
    const place = `docker://${made(registry).host}/goldens/api:7`;
    await bring(place);
    const moved = goldenId('shop', 1);
    const imported = await take(moved, place);
    expect(imported).toMatchObject({
      digest: checkpoint.digest,
      fingerprint: checkpoint.fingerprint,
      origin: { kind: 'image', engine: 'thaw' },
    });
    expect(await hashes(files(made(there), moved))).toEqual(await hashes(files(made(here), original)));
    await expectGoesOn(moved);
    expect((await take(moved, place)).digest).toBe(checkpoint.digest); // a second time: what is there is answered
    expectNothingLeft(made(here));
    expectNothingLeft(made(there));
  });

  it.each([
    ['an OCI layout', (path: string) => `oci:${path}:v7`],
    ['a docker archive', (path: string) => `docker-archive:${path}.tar:goldens/api:7`],
    ['an archive', (path: string) => `archive:${path}.tar`],
  ])('through %s is bit-equal, and nobody but root reads it on the way', async (what, place) => {
    const name = what.replaceAll(' ', '-');
    await bring(place(join(root(made(here)), name)));
    const file = readdirSync(root(made(here))).find((entry) => entry.startsWith(name)) ?? '';
    expect(statSync(join(root(made(here)), file)).mode & 0o077).toBe(0);
    renameSync(join(root(made(here)), file), join(root(made(there)), file));
    const moved = goldenId('shop', 2);
    expect((await take(moved, place(join(root(made(there)), name)))).digest).toBe(checkpoint.digest);
    expect(await hashes(files(made(there), moved))).toEqual(await hashes(files(made(here), original)));
    await expectGoesOn(moved);
    await made(there).engine.removeGolden(moved);
    expectNothingLeft(made(here));
    expectNothingLeft(made(there));
  });
});

describe('a golden of a registry’s image', () => {
  it('finds its image by the digest, though the tag has moved', async () => {
    const { host } = made(registry);
    const layout = join(root(made(here)), 'app');
    const image = `${host}/app:1`;
    const push = async (rootfs: string, tag: string) => {
      const umoci = (...args: string[]) => run(['umoci', ...args], { timeoutMs });
      if (!existsSync(layout)) await umoci('init', '--layout', layout);
      await umoci('new', '--image', `${layout}:${tag}`);
      await umoci('insert', '--image', `${layout}:${tag}`, rootfs, '/');
      await made(registry).push(layout, tag, 'app:1');
    };
    await push(made(here).image.slice('dir:'.length), 'one');
    const { engine } = made(here);
    const { id } = await startReady(engine, testWorkload(image));
    const tagged = goldenId('api', 9);
    const taken = await engine.checkpoint(id, tagged);
    await engine.exportGolden(tagged, parseGoldenPlace(`docker://${host}/goldens/api:9`), asked, at);
    const other = join(root(made(here)), 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'file'), 'other');
    await push(other, 'two');
    const moved = goldenId('shop', 4);
    const from = parseGoldenPlace(`docker://${host}/goldens/api:9`);
    const imported = await made(there).engine.importGolden(testWorkload(image), moved, from, at);
    expect(imported).toMatchObject({ digest: taken.digest, imageDigest: taken.imageDigest });
    const clone = await made(there).engine.restore(moved, newInstanceId());
    expect((await askState(clone)).counter).toBeGreaterThan(1);
    await destroyAll(made(there).engine);
  });
});

describe('a golden with keys', () => {
  const signed = goldenId('api', 8);
  const place = () => `docker://${made(registry).host}/goldens/api:8`;
  const secrets = () => ({
    signing: join(root(made(here)), 'signing.pem'),
    other: join(root(made(here)), 'other.pem'),
    data: join(root(made(here)), 'data.key'),
  });
  /** The golden that the node takes under these settings, brought to the registry. */
  async function takeUnder(settings: Record<string, string>, options = asked): Promise<Checkpoint> {
    await made(here).reopen(settings);
    const { engine, image } = made(here);
    await engine.removeGolden(signed);
    const { id } = await startReady(engine, testWorkload(image));
    const taken = await engine.checkpoint(id, signed);
    await engine.exportGolden(signed, parseGoldenPlace(place()), options, at);
    return taken;
  }

  beforeAll(async () => {
    const { signing, other, data } = secrets();
    for (const file of [signing, other]) await run(['openssl', 'genpkey', '-algorithm', 'ed25519', '-out', file], { timeoutMs });
    writeFileSync(data, 'ab'.repeat(32), { mode: 0o600 });
  });

  afterAll(async () => {
    await made(here).reopen();
    await made(there).reopen();
  });

  it('keeps its signature, by which a node that trusts the key takes it and another does not', async () => {
    const { signing, other } = secrets();
    const taken = await takeUnder({ THAW_SIGNING_KEY: signing });
    await made(there).reopen({ THAW_TRUSTED_KEYS: signing });
    const moved = goldenId('shop', 8);
    expect(await take(moved, place())).toMatchObject({ digest: taken.digest, signedBy: taken.signedBy });
    await made(there).engine.removeGolden(moved);
    await made(there).reopen({ THAW_TRUSTED_KEYS: other });
    await expect(take(moved, place())).rejects.toMatchObject({ code: 'golden_untrusted' });
    expect(await made(there).engine.hasGolden(moved)).toBe(false);
    await made(there).reopen();
  });

  it('stays encrypted on the way, and only a node with the key takes it', async () => {
    const { data } = secrets();
    const taken = await takeUnder({ THAW_ENCRYPTION_KEY_FILE: data });
    const moved = goldenId('shop', 9);
    await expect(take(moved, place())).rejects.toMatchObject({ code: 'encryption_key_missing' });
    expect(await made(there).engine.hasGolden(moved)).toBe(false);
    await made(there).reopen({ THAW_ENCRYPTION_KEY_FILE: data });
    expect(await take(moved, place())).toMatchObject({ digest: taken.digest, encryptedWith: taken.encryptedWith });
    const clone = await made(there).engine.restore(moved, newInstanceId());
    expect((await askState(clone)).counter).toBeGreaterThan(1);
    await destroyAll(made(there).engine);
    await made(there).engine.removeGolden(moved);
    await made(there).reopen();
  });

  it('is plain where that is asked for, and a node that encrypts makes its own of it', async () => {
    const { data } = secrets();
    const taken = await takeUnder({ THAW_ENCRYPTION_KEY_FILE: data }, { ...asked, plain: true });
    const moved = goldenId('shop', 10);
    const imported = await take(moved, place());
    expect(imported.encryptedWith).toBeUndefined();
    await made(there).engine.removeGolden(moved);
    await made(there).reopen({ THAW_ENCRYPTION_KEY_FILE: data });
    expect(await take(moved, place())).toMatchObject({ encryptedWith: taken.encryptedWith, pagesBytes: taken.pagesBytes });
    const clone = await made(there).engine.restore(moved, newInstanceId());
    expect((await askState(clone)).counter).toBeGreaterThan(1);
    await destroyAll(made(there).engine);
    await made(there).engine.removeGolden(moved);
    await made(there).reopen();
  });
});

describe('a golden that can not be moved', () => {
  const moved = goldenId('shop', 3);
  const archive = () => join(root(made(there)), 'again.tar');

  beforeAll(async () => {
    const path = join(root(made(here)), 'again.tar');
    await bring(`archive:${path}`);
    renameSync(path, archive());
  });

  async function expectRefused(from: string, problem: object): Promise<void> {
    await expect(take(moved, from)).rejects.toMatchObject(problem);
    expect(await made(there).engine.hasGolden(moved)).toBe(false);
    expect(existsSync(files(made(there), moved))).toBe(false);
    expectNothingLeft(made(there));
  }

  it('because the template has another image is told the digests', async () => {
    const other = join(root(made(there)), 'other');
    mkdirSync(other);
    writeFileSync(join(other, 'file'), 'other');
    const into = made(there).engine.importGolden(testWorkload(`dir:${other}`), moved, parseGoldenPlace(`archive:${archive()}`), at);
    await expect(into).rejects.toMatchObject({
      code: 'golden_incompatible',
      message: expect.stringContaining(checkpoint.imageDigest ?? 'sha256:'),
    });
    expectNothingLeft(made(there));
  });

  it('because its template lets clones do something else names the fields, and leaves nothing', async () => {
    const place = `docker://${made(registry).host}/goldens/api:wider`;
    await bring(place);
    const other = testWorkload(made(there).image, { egress: { warm: 'none', claimed: 'internet' }, shareMemory: true });
    const golden = goldenId('shop', 9);
    await expect(made(there).engine.importGolden(other, golden, parseGoldenPlace(place), at)).rejects.toMatchObject({
      code: 'golden_incompatible',
      details: { fields: ['egress', 'shareMemory'] },
    });
    expect(await made(there).engine.hasGolden(golden)).toBe(false);
    expectNothingLeft(made(there));
  });

  it('because it was cut, or a byte of its memory has changed, is refused', async () => {
    const cut = join(root(made(there)), 'cut.tar');
    writeFileSync(cut, readFileSync(archive()));
    truncateSync(cut, statSync(cut).size >> 1);
    await expectRefused(`archive:${cut}`, { code: 'archive_invalid' });
    const bytes = readFileSync(archive());
    const pages = readFileSync(join(files(made(here), original), 'image', await pagesOf(files(made(here), original))));
    const where = bytes.indexOf(pages.subarray(0, 4096));
    bytes.writeUInt8(bytes.readUInt8(where + 100) ^ 1, where + 100);
    writeFileSync(cut, bytes);
    await expectRefused(`archive:${cut}`, { code: 'golden_corrupt' });
  });

  it('because its path leads out of the image roots is refused, to and fro', async () => {
    symlinkSync('/etc', join(root(made(there)), 'etc'));
    const out = { code: 'image_reference_invalid' };
    await expectRefused(`archive:${root(made(there))}/etc/passwd`, out);
    await expectRefused('archive:/etc/passwd', out);
    mkdirSync(join(root(made(there)), 'directory'));
    await expectRefused(`archive:${root(made(there))}/directory`, { code: 'archive_invalid' });
    const to = (place: string) => made(here).engine.exportGolden(original, parseGoldenPlace(place), asked, at);
    symlinkSync('/etc', join(root(made(here)), 'etc'));
    await expect(to(`archive:${root(made(here))}/etc/golden.tar`)).rejects.toMatchObject(out);
    await expect(to('archive:/etc/golden.tar')).rejects.toMatchObject(out);
    await expect(to(`archive:${root(made(here))}/absent/golden.tar`)).rejects.toMatchObject({ code: 'image_not_found' });
    expect(existsSync('/etc/golden.tar')).toBe(false);
    expectNothingLeft(made(here));
  });

  it('because the disk is full in the middle says so, and leaves nothing', async () => {
    const small = join(root(made(here)), 'small');
    mkdirSync(small);
    await made(here).reopen({ THAW_DISK_RESERVE_MB: '0' });
    const size = Math.ceil(checkpoint.sizeBytes / 4096) * 4096 + 8192; // more than the files: what an archive adds does not fit
    await run(['mount', '-t', 'tmpfs', '-o', `size=${size}`, 'thaw-test', small], { timeoutMs });
    try {
      await expect(bring(`archive:${small}/golden.tar`)).rejects.toMatchObject({ code: 'disk_reserve' });
      expect(readdirSync(small)).toEqual([]);
    } finally {
      await run(['umount', small], { timeoutMs });
      await made(here).reopen();
    }
  });

  it('because it is deleted in the middle is told as missing, and nothing is there', async () => {
    const { engine, image } = made(here);
    const { id } = await startReady(engine, testWorkload(image));
    const deleted = goldenId('api', 10);
    await engine.checkpoint(id, deleted);
    const deleting: RunPhase = async (name, work) => {
      if (name === 'pack') await engine.removeGolden(deleted);
      return await at(name, work);
    };
    const place = join(root(made(here)), 'deleted.tar');
    const exporting = engine.exportGolden(deleted, parseGoldenPlace(`archive:${place}`), asked, deleting);
    await expect(exporting).rejects.toMatchObject({ code: 'golden_missing' });
    expect(existsSync(place)).toBe(false);
    expectNothingLeft(made(here));
  });

  it('because two are brought to one file at once, one is whole and the other is refused', async () => {
    const place = join(root(made(here)), 'both.tar');
    const results = await Promise.allSettled([bring(`archive:${place}`), bring(`archive:${place}`)]);
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const refused = { status: 'rejected', reason: { code: 'export_target_exists' } };
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject(refused);
    const moved = goldenId('api', 11);
    const again = made(here).engine.importGolden(testWorkload(made(here).image), moved, parseGoldenPlace(`archive:${place}`), at);
    expect((await again).digest).toBe(checkpoint.digest);
    expectNothingLeft(made(here));
  });

  it('because it was cut off by a crash leaves nothing once the worker is back', async () => {
    const { moves } = made(there).config.paths;
    const partial = join(root(made(there)), '.golden.tar.thaw-partial');
    mkdirSync(join(moves, 'move-dead'), { recursive: true });
    writeFileSync(join(moves, 'move-dead', 'layer'), 'half');
    writeFileSync(partial, 'half');
    symlinkSync(partial, join(moves, 'move-dead', 'beside'));
    await made(there).reopen();
    expectNothingLeft(made(there));
  });
});

async function pagesOf(directory: string): Promise<string> {
  return readdirSync(join(directory, 'image')).find((name) => name.startsWith('pages-')) ?? '';
}
