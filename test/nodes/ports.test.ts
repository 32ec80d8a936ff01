import { createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkPorts } from '#src/nodes/doctor/ports.ts';
import { parseConfig } from '#src/platform/config.ts';

let holder: Server;
let port: string;

beforeEach(async () => {
  holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  const address = holder.address();
  port = String(typeof address === 'object' && address ? address.port : 0);
});
afterEach(() => {
  holder.close();
});

test.each([true, false])('a port that another program holds is hard, at the start (%s) and at any time', async (isStarting) => {
  expect(await checkPorts(parseConfig({ THAW_PORT: port }), isStarting)).toMatchObject([
    {
      ...{ id: 'port', status: 'fail', found: `127.0.0.1:${port} is in use by node (pid ${process.pid})` },
      fix: 'Set THAW_PORT to a free port, or end what listens there.',
    },
  ]);
});

test("the agent's address is looked at too, and named by its own setting", async () => {
  const env = { THAW_PORT: '0', THAW_AGENT_LISTEN: `127.0.0.1:${port}`, THAW_AGENT_TOKEN: 'a-token-of-sixteen' };
  expect(await checkPorts(parseConfig(env), true)).toMatchObject([
    { id: 'port', status: 'pass' },
    { id: 'agent_port', status: 'fail', fix: 'Set THAW_AGENT_LISTEN to a free port, or end what listens there.' },
  ]);
});
