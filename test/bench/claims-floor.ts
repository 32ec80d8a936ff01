import { once } from 'node:events';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { connectRedis } from '#src/platform/redis.ts';

// What a claim can not be faster than: a bare Hono route that runs one script, which writes. Tells its port to its parent.
const script = loadLuaScript(import.meta.url, './claims-floor.lua');
const redis = connectRedis(process.argv[2] ?? '');
const app = new Hono();
app.post('/floor', async (c) => {
  const { id } = await c.req.json<{ id: string }>();
  return c.json({ answer: await script.run(redis, ['{thaw}:bench-floor'], [id]) }, 201);
});
const server = createAdaptorServer({ fetch: app.fetch }).listen(0, '127.0.0.1');
await once(server, 'listening');
const bound = server.address();
process.send?.(typeof bound === 'object' && bound ? bound.port : 0);
process.once('disconnect', () => process.exit(0));
