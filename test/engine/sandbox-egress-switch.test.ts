import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createEgressSwitch } from '#src/engine/sandbox/local/egress-switch.ts';
import type { SandboxProvider } from '#src/engine/sandbox/sandbox.ts';
import { newInstanceId } from '#src/platform/ids.ts';
import { run } from '#src/platform/subprocess.ts';
import { type LocalNode, openLocalNode } from '#test/support/local-node.ts';
import { makeTempDir } from '#test/support/temp-dir.ts';

let node: LocalNode;
/** The node agent's, beside the provider that the worker has. */
let agent: Pick<SandboxProvider, 'setEgress'>;

beforeEach(async () => {
  node = await openLocalNode();
  agent = createEgressSwitch({ tag: node.tag, dataDir: join(node.runDir, '..'), runDir: node.runDir });
});

afterEach(() => node[Symbol.asyncDispose]());

it('gives and takes egress by the record that the provider made', async () => {
  const { id, address } = await node.prepare();
  await agent.setEgress(id, 'internet');
  expect(await listInternet()).toEqual([address]);
  await agent.setEgress(id, 'none');
  expect(await listInternet()).toEqual([]);
  await expect(agent.setEgress(newInstanceId(), 'internet')).rejects.toMatchObject({ code: 'instance_not_found' });
});

it('never sets up what is not there', async () => {
  const { id } = await node.prepare();
  await system(`nft delete table inet thaw_${node.tag}`);
  await expect(agent.setEgress(id, 'internet')).rejects.toMatchObject({ code: 'subprocess_failed' });
  await expect(listInternet()).rejects.toThrow('No such file or directory');
});

it('a change while the provider sets up anew holds: who got egress has it, who lost it does not get it back', async () => {
  const [gains, loses] = [await node.prepare(), await node.prepare()];
  await node.sandboxes.setEgress(loses.id, 'internet');
  await using gate = await holdNft('-f'); // the ruleset is written down by then, and not yet there
  const settingUp = node.sandboxes.setUp();
  await gate.reached();
  await agent.setEgress(gains.id, 'internet');
  await agent.setEgress(loses.id, 'none');
  await gate.open();
  await settingUp;
  expect(await listInternet()).toEqual([gains.address]);
});

it('a change that comes too late for a removal lets nobody out, and leaves no record', async () => {
  const { id } = await node.prepare();
  await using gate = await holdNft('add');
  const changing = agent.setEgress(id, 'internet').catch((error: unknown) => error);
  await gate.reached();
  await node.sandboxes.remove(id);
  await gate.open();
  expect(await changing).toMatchObject({ code: 'instance_not_found' });
  expect(await listInternet()).toEqual([]);
  expect(await node.sandboxes.list()).toEqual([]);
  expect(await readdir(join(node.runDir, 'removed-sandboxes'))).toEqual([]);
});

async function listInternet(): Promise<string[]> {
  const listing = await system(`nft list set inet thaw_${node.tag} internet`);
  return [...listing.matchAll(/\d+\.\d+\.\d+\.\d+/g)].map(([address]) => address);
}

/** Makes the next `nft` whose arguments begin so, and none after it, wait before it does anything. */
async function holdNft(beginning: string): Promise<AsyncDisposable & { reached(): Promise<void>; open(): Promise<void> }> {
  const directory = await makeTempDir();
  const [program, path] = [join(directory.path, 'nft'), process.env.PATH];
  const real = (await system('command -v nft')).trim();
  await system(`mkfifo ${directory.path}/reached ${directory.path}/open; touch ${directory.path}/armed`);
  await writeFile(
    program,
    `#!/bin/sh
case "$1" in ${beginning}*)
  if rm ${directory.path}/armed 2>/dev/null; then
    echo > ${directory.path}/reached
    read _ < ${directory.path}/open
  fi
esac
exec ${real} "$@"
`,
  );
  await chmod(program, 0o755);
  process.env.PATH = `${directory.path}:${path}`;
  return {
    reached: async () => void (await system(`cat ${directory.path}/reached`)),
    open: async () => void (await system(`echo > ${directory.path}/open`)),
    [Symbol.asyncDispose]: async () => {
      process.env.PATH = path;
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function system(command: string): Promise<string> {
  return (await run(['sh', '-c', command], { timeoutMs: 10_000 })).stdout;
}
