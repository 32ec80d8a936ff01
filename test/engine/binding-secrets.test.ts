import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openInstanceAccess } from '#src/engine/criu/instance-access.ts';
import { Hooks } from '#src/engine/hooks.ts';
import { createEgressSwitch } from '#src/engine/sandbox/local/egress-switch.ts';
import { serveAgent } from '#src/nodes/agent.ts';
import { connectAgent } from '#src/nodes/agent-client.ts';
import { goldenId, type InstanceId, newClaimId, newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { ask } from '#test/contract/ask-app.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';
import { useCriuNode } from '#test/support/use-criu-node.ts';

const canary = 'canary-5f2b9c';
const lookAround = 'env > /tmp/seen; tr "\\\\0" " " < /proc/$$/cmdline >> /tmp/seen; cat "$THAW_BINDING" > /dev/null';

/** Law 8, on the real engine and through a real agent: wherever a secret could be written, it is looked for. */
describe('a secret of a binding', () => {
  const node = useCriuNode();
  let goldens = 0;

  /** Answers what the agent logged and how the bind ended. */
  async function bindByAgent(id: InstanceId): Promise<string> {
    await using directory = await makeTempDir();
    const { paths, tag } = node.config;
    let told = '';
    const log = pino({ level: 'trace' }, { write: (line: string) => (told += line) });
    const sandboxes = createEgressSwitch({ tag, dataDir: paths.dataDir, runDir: paths.run });
    const agent = await serveAgent(
      { engine: openInstanceAccess({ paths, tag, sandboxes }), log },
      { socket: join(directory.path, 'agent') },
    );
    const client = connectAgent(agent.address);
    const [outcome] = await Promise.allSettled([client.bind(id, secretBinding(), 20_000)]);
    client.close();
    await agent.close();
    const reason = outcome.status === 'rejected' ? outcome.reason : undefined;
    return `${outcome.status} ${reason} ${JSON.stringify(reason)} ${reason?.cause}${told}`;
  }

  async function cloneWith(bind: NonNullable<Parameters<typeof Hooks.parse>[0]>) {
    const primer = await node.startReady({ hooks: Hooks.parse({ bind }) });
    const golden = goldenId('secrets', ++goldens);
    await node.engine.checkpoint(primer.id, golden);
    const id = newInstanceId();
    return { ...(await node.engine.restore(golden, id)), id };
  }

  it.each([
    ['an http hook', { http: { port: 8080, path: '/hook' } }, 'fulfilled'],
    ['an http hook that fails and answers with it', { http: { port: 8080, path: '/hook?status=500' } }, 'hook_failed'],
    ['an exec hook', { exec: { command: ['sh', '-c', lookAround] } }, 'fulfilled'],
    ['an exec hook that fails and prints it', { exec: { command: ['sh', '-c', 'cat "$THAW_BINDING"; exit 3'] } }, 'hook_failed'],
  ])('told by %s is in its tmpfs, and in no other file, log or message', async (_how, bind, ending) => {
    const clone = await cloneWith(bind);
    const told = await bindByAgent(clone.id);
    expect(told).toContain(ending);
    expect(told).not.toContain(canary);
    const found = await filesWith(canary, node.config.paths.dataDir);
    expect(found).toEqual([expect.stringMatching(`^${node.config.paths.run}/.*/thaw/binding.json$`)]);
    expect(await ask(clone, '/')).toContain(canary.toUpperCase()); // the app was told
    if ('exec' in bind && ending === 'fulfilled') expect(await seen(clone.id)).toMatch(/^THAW_BINDING=\/run\/thaw\/binding\.json$/m);
    await node.engine.destroy(clone.id);
    expect(await filesWith(canary, node.config.paths.dataDir)).toEqual([]);
  });

  async function seen(id: InstanceId): Promise<string> {
    return (await node.engine.exec(id, ['cat', '/tmp/seen'], { timeoutMs: 10_000 })).stdout;
  }
});

function secretBinding() {
  const open = { claim: newClaimId(), tenant: 'acme', expiresAt: '2030-01-01T00:00:00.000Z', labels: { told: canary.toUpperCase() } };
  return { ...open, env: {}, secrets: { PASSWORD: canary } };
}

/** Pipes and sockets left alone, mounts below included. */
async function filesWith(text: string, directory: string): Promise<string[]> {
  const { stdout } = await run(
    ['grep', '--recursive', '--files-with-matches', '--devices=skip', '--text', '--fixed-strings', text, directory],
    {
      timeoutMs: 60_000,
      okCodes: [1],
    },
  );
  return stdout.split('\n').filter((line) => line !== '');
}
