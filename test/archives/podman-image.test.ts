import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageNameFor } from '#src/engine/criu/archives/podman-dump.ts';
import type { RunPhase } from '#src/engine/engine.ts';
import { parseGoldenPlace } from '#src/engine/golden-place.ts';
import { goldenId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { askState, waitUntilReady } from '#test/contract/ask-app.ts';
import { made } from '#test/support/made.ts';
import { testWorkload } from '#test/support/test-image.ts';
import { podmanMissing, startTestPodman, type TestPodman } from '#test/support/test-podman.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

const phase: RunPhase = (_name, work) => work(new AbortController().signal);
const timeoutMs = 30_000;

/** skipped: why — setup.sh --test brings podman and netavark where Debian has them. */
describe.skipIf(podmanMissing)('checkpoint images and podman', () => {
  const node = useCriuNode();
  let engine: TestPodman | undefined;

  beforeAll(async () => {
    engine = await startTestPodman();
    const file = join(engine.directory, 'image.tar');
    await run(['tar', '--create', '--file', file, '--directory', node.image.slice('dir:'.length), '.'], { timeoutMs });
    await engine.podman('import', '--quiet', file, 'localhost/app:1');
  });
  afterAll(() => engine?.[Symbol.asyncDispose]());

  const layout = (name: string) => join(dirname(node.image.slice('dir:'.length)), name);

  it('podman knows our image for a checkpoint and restores it', async () => {
    const { podman, get, directory } = made(engine);
    const primer = await node.startReady();
    const { token, counter } = await askState(primer);
    const golden = goldenId('ours', 1);
    const { imageDigest = '' } = await node.engine.checkpoint(primer.id, golden);
    const place = parseGoldenPlace(`oci:${layout('ours')}:v1`);
    await node.engine.exportGolden(golden, place, { overwrite: false, plain: false }, phase);
    await podman('tag', 'localhost/app:1', imageNameFor(node.image, imageDigest));
    const image = 'localhost/ours:1';
    // podman would name it after the path, and takes no capitals for a name.
    const storage = `containers-storage:[vfs@${directory}/root+${directory}/run]${image}`;
    await run(['skopeo', '--insecure-policy', 'copy', '--quiet', place.text, storage], { timeoutMs });
    const restored = await podman('container', 'restore', image);
    expect(JSON.parse(await get(restored, '/'))).toMatchObject({ token, counter: counter + 1 });
    await podman('rm', '--force', '--time', '0', restored);
  });

  it('a golden is made of an image that podman made of a checkpoint', async () => {
    const { podman, get } = made(engine);
    await podman('run', '--detach', '--name', 'theirs', 'localhost/app:1', '/usr/bin/perl', '/srv/test-app.pl');
    const { token } = JSON.parse(await get('theirs', '/'));
    await podman('container', 'checkpoint', '--create-image', 'localhost/checkpoint:1', 'theirs');
    await podman('push', '--quiet', 'localhost/checkpoint:1', `oci:${layout('theirs')}:v1`);
    const golden = goldenId('theirs', 1);
    const imported = await node.engine.importGolden(
      testWorkload(node.image),
      golden,
      parseGoldenPlace(`oci:${layout('theirs')}:v1`),
      phase,
    );
    expect(imported.origin).toMatchObject({ kind: 'image', engine: 'podman' });
    const clone = await node.engine.restore(golden, newInstanceId());
    await waitUntilReady(clone);
    expect(await askState(clone)).toMatchObject({ token });
  });
});
