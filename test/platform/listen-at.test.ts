import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { listenAt } from '#src/platform/listen-at.ts';

const settings = { host: 'THAW_HOST', port: 'THAW_PORT' };

it('a port that is taken is told with its holder and the setting', async () => {
  const first = createServer();
  await listenAt(first, { host: '127.0.0.1', port: 0 }, settings);
  const address = first.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  await expect(listenAt(createServer(), { host: '127.0.0.1', port }, settings)).rejects.toMatchObject({
    code: 'node_unfit',
    message: `127.0.0.1:${port} is in use by node (pid ${process.pid})`,
    fix: 'Set THAW_PORT to a free port, or end what listens there.',
  });
  first.close();
});

it('a host that is not this machine is told with the setting', async () => {
  const host = '192.0.2.1';
  await expect(listenAt(createServer(), { host, port: 0 }, settings)).rejects.toMatchObject({
    message: `${host} is no address of this machine`,
    fix: expect.stringContaining('Set THAW_HOST to'),
  });
});
