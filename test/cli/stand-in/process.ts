import { createServer } from 'node:http';
import { tellReady, waitForStop } from '#src/platform/parent-process.ts';
import { connectRedis } from '#src/platform/redis.ts';

// Stands in for the API and the worker of `thaw up`: it is ready when its Redis answers, and ends when it is told to.
const redis = connectRedis(process.env.REDIS_URL ?? '');
await redis.ping();
const server = createServer(async (_request, response) => response.end(await redis.incr('{thaw}:answers').then(String)));
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  if (typeof address === 'object' && address) tellReady(`http://127.0.0.1:${address.port}`);
});
await waitForStop();
server.close();
server.closeAllConnections();
redis.disconnect();
