import { describe, expect, it } from 'vitest';
import { captureGolden } from '#src/goldens/capture-golden.ts';
import { requestCapture } from '#src/goldens/request-capture.ts';
import { requireGolden } from '#src/goldens/store.ts';
import { viewGolden } from '#src/goldens/view.ts';
import { requireOperation } from '#src/operations/store.ts';
import { goldenId } from '#src/platform/ids.ts';
import { putTemplate } from '#src/templates/put-template.ts';
import { fakeToken } from '#test/support/fake-secrets.ts';
import { idle, webSpec } from '#test/support/memory-node.ts';
import { useMemoryNode } from '#test/support/use-memory-node.ts';

const node = useMemoryNode();
const canary = 'canary-7d1e55aa';
const token = fakeToken('ghp_', 36);
const holding = (policy: 'warn' | 'block') =>
  webSpec({ env: { A: token, B: canary }, scan: { policy, canaries: ['canary-00000000', canary] } });

async function capture(spec = webSpec()) {
  await putTemplate(node.redis, 'api', spec, undefined);
  const { id } = await requestCapture(node, 'api', { promote: false });
  await captureGolden(node, id, idle);
  return { operation: await requireOperation(node.redis, id), golden: await requireGolden(node.redis, goldenId('api', 1)) };
}

describe('a scan', () => {
  it('shows what it found on the golden, which is made all the same, by kind, place and count', async () => {
    const { operation, golden } = await capture(holding('warn'));
    expect(golden).toMatchObject({ state: 'ready', scan: { scannedBytes: expect.any(Number), tookMs: expect.any(Number) } });
    const where = 'app (pid 1)';
    expect(golden.scan?.findings).toEqual([
      { kind: 'canary 2', where, count: 1 },
      { kind: 'github-pat', where, count: 1 },
    ]);
    expect(operation.steps.map(({ name }) => name)).toEqual(expect.arrayContaining(['checkpoint', 'scan', 'verify']));
  });

  it('that blocks fails the capture and leaves no golden, and says the way out', async () => {
    const { operation, golden } = await capture(holding('block'));
    expect(operation).toMatchObject({ state: 'failed', problem: { code: 'secrets_found', class: 'template' } });
    expect(operation.problem?.message).toContain('canary 2 in app (pid 1) (1), github-pat in app (pid 1) (1)');
    expect(operation.problem?.fix).toContain('hooks.beforeCheckpoint');
    expect(golden).toMatchObject({ state: 'failed', problem: { code: 'secrets_found' }, scan: { findings: [{}, {}] } });
    expect(await node.engine.listGoldens()).toEqual([]);
  });

  it('tells the values nowhere', async () => {
    const { operation, golden } = await capture(holding('block'));
    const told = JSON.stringify([operation, viewGolden(golden), await node.redis.xrange('{thaw}:events', '-', '+')]);
    expect(told).toContain('secrets_found');
    expect(told).not.toContain(token);
    expect(told).not.toContain(canary);
  });

  it('that blocks lets pass what holds nothing', async () => {
    const { golden } = await capture(webSpec({ scan: { policy: 'block' } }));
    expect(golden).toMatchObject({ state: 'ready', scan: { findings: [] } });
  });

  it('is made only where the template asks for it', async () => {
    const { operation, golden } = await capture();
    expect(golden.scan).toBeUndefined();
    expect(operation.steps.map(({ name }) => name)).not.toContain('scan');
  });
});
