import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readRegistryDigest } from '#src/engine/criu/images/registry-digest.ts';
import { addIndex, addTinyImage } from '#test/support/oci-layout.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { here, openTestStore } from '#test/support/test-image-store.ts';
import { startTestRegistry, type TestRegistry } from '#test/support/test-registry.ts';

let images: Awaited<ReturnType<typeof makeTempDir>>;
let layout: string;
let registry: TestRegistry;

beforeAll(async () => {
  images = await makeTempDir();
  layout = join(images.path, 'layout');
  await addTinyImage(layout, 'one');
  await addTinyImage(layout, 'two');
  await addIndex(layout, 'many', [{ tag: 'two', architecture: here }]);
  registry = await startTestRegistry({ auth: false });
});

afterAll(async () => {
  await registry?.stop();
  await images?.[Symbol.asyncDispose]();
});

const read = (image: string, insecureRegistries = [registry.host]) =>
  readRegistryDigest({ tmpDir: images.path, imageRoots: [], insecureRegistries }, image);

describe('what a tag stands for', () => {
  it('is the digest that the image has in the store, and another once the tag has moved', async () => {
    const image = `docker://${registry.host}/app:1`;
    await using opened = await openTestStore({ insecureRegistries: [registry.host] });
    await registry.push(layout, 'one', 'app:1');
    const before = await read(image);
    expect((await opened.store.ensure(image)).digest).toBe(before);
    await registry.push(layout, 'two', 'app:1');
    const after = await read(image);
    expect(after).not.toBe(before);
    await registry.push(layout, 'many', 'app:1'); // the same image, by an index of platforms
    expect(await read(image)).toBe(after);
    expect((await opened.store.ensure(image)).digest).toBe(after);
  });

  it('is not known of a tag that is not there, a registry that is down, or a path', async () => {
    await expect(read(`docker://${registry.host}/app:none`)).rejects.toMatchObject({ code: 'image_not_found' });
    await expect(read('docker://127.0.0.1:1/app:1', ['127.0.0.1:1'])).rejects.toMatchObject({ code: 'image_pull_failed' });
    await expect(read('dir:/app')).rejects.toMatchObject({ code: 'image_reference_invalid' });
  });
});
