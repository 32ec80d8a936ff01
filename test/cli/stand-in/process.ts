import { once } from 'node:events';
import { createServer } from 'node:http';
import { runProcess } from '#src/platform/parent-process.ts';
import { connectRedis } from '#src/platform/redis.ts';

// Stands in for the API and the worker of `thaw up`: it is ready when its Redis answers, and ends when it is told to.
await runProcess('stand-in', async (config) => {
  const redis = connectRedis(config.redisUrl ?? '');
  await redis.ping();
  const server = createServer(async (_request, response) => response.end(await redis.incr('{thaw}:answers').then(String)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      redis.disconnect();
    },
  };
});
