import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createImageStore } from '#src/engine/criu/images/image-store.ts';
import { addTinyImage } from '#test/support/oci-layout.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { registryPassword, registryUser, startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';

let directory: Awaited<ReturnType<typeof makeTempDir>>;
let registry: TestRegistry;
let authFile: string;
const path = process.env.PATH ?? '';

beforeAll(async () => {
  directory = await makeTempDir();
  authFile = join(directory.path, 'auth.json');
  const layout = join(directory.path, 'layout');
  await addTinyImage(layout, 'one');
  registry = await startTestRegistry({ auth: true });
  await registry.push(layout, 'one', 'private:1');
});

afterEach(() => {
  process.env.PATH = path;
});

afterAll(async () => {
  await registry?.stop();
  await directory?.[Symbol.asyncDispose]();
});

function openStore(registryAuthFile?: string) {
  const deps = { imageRoots: [], insecureRegistries: [registry.host], diskReserveBytes: 0, registryAuthFile };
  return createImageStore({ ...deps, directory: join(directory.path, 'store') });
}

async function writePassword(password: string): Promise<void> {
  const auth = Buffer.from(`${registryUser}:${password}`).toString('base64');
  await writeFile(authFile, JSON.stringify({ auths: { [registry.host]: { auth } } }), { mode: 0o600 });
}

/** A credential helper on the PATH, named by the auth file. */
async function installHelper(name: string, script: string): Promise<void> {
  const bin = join(directory.path, 'bin');
  await mkdir(bin, { recursive: true });
  await writeFile(join(bin, `docker-credential-${name}`), `#!/bin/sh\n${script}\n`);
  await chmod(join(bin, `docker-credential-${name}`), 0o755);
  await writeFile(authFile, JSON.stringify({ credHelpers: { [registry.host]: name } }), { mode: 0o600 });
  process.env.PATH = `${bin}${delimiter}${path}`;
}

describe('a registry that asks for credentials', () => {
  it('gives the image to those in the auth file, which is read afresh at each pull', async () => {
    const store = openStore(authFile);
    await writePassword('wrong-password');
    await expect(store.ensure(`${registry.host}/private:1`)).rejects.toMatchObject({ code: 'image_pull_failed' });
    await writePassword(registryPassword);
    expect((await store.ensure(`${registry.host}/private:1`)).digest).toMatch(/^sha256:/);
  });

  it('gives the image to a credential helper that the auth file names', async () => {
    await installHelper('ours', `cat >/dev/null; echo '{"ServerURL":"x","Username":"${registryUser}","Secret":"${registryPassword}"}'`);
    expect((await openStore(authFile).ensure(`${registry.host}/private:1`)).digest).toMatch(/^sha256:/);
  });

  it('refuses wrong ones with the setting to correct, and the password is in no message', async () => {
    await writePassword('wrong-password');
    const failure = await openStore(authFile)
      .ensure(`${registry.host}/private:1`)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'image_pull_failed',
      class: 'template',
      message: expect.stringContaining(`those in ${authFile}`),
      fix: expect.stringContaining('THAW_REGISTRY_AUTH_FILE'),
    });
    expect(`${failure} ${JSON.stringify(failure)}`).not.toMatch(
      new RegExp(`wrong-password|${Buffer.from(':wrong-password').toString('base64').slice(4, 12)}`),
    );
  });

  it('refuses who has none', async () => {
    await writeFile(authFile, '{}');
    await expect(openStore(authFile).ensure(`${registry.host}/private:1`)).rejects.toMatchObject({
      code: 'image_pull_failed',
      fix: expect.stringContaining('credential helper'),
    });
  });

  it('a helper that fails is named as the cause, what it printed is not', async () => {
    await installHelper('broken', `cat >/dev/null; echo '${registryPassword}'; exit 1`);
    const failure = await openStore(authFile)
      .ensure(`${registry.host}/private:1`)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'image_pull_failed', fix: expect.stringContaining('credential helper') });
    expect(`${failure} ${JSON.stringify(failure)}`).not.toContain(registryPassword);
  });

  it('an auth file that is not there is named', async () => {
    await expect(openStore('/nonexistent/auth.json').ensure(`${registry.host}/private:1`)).rejects.toMatchObject({
      code: 'image_pull_failed',
      message: expect.stringContaining('/nonexistent/auth.json'),
      fix: expect.stringContaining('THAW_REGISTRY_AUTH_FILE'),
    });
  });
});
