import { once } from 'node:events';
import { createAdaptorServer } from '@hono/node-server';
import { composeApi } from '#src/compose.ts';
import { parseConfig } from '#src/platform/config.ts';
import { createLogger } from '#src/platform/log.ts';
import { makeDataDir } from '#src/platform/make-data-dir.ts';
import { tellReady, waitForStop } from '#src/platform/parent-process.ts';
import { registerAdminKey } from './register-admin-key.ts';

const config = parseConfig(process.env);
const log = createLogger(config.logLevel, 'api');
makeDataDir(config.paths.dataDir);
const api = await composeApi(config, log);
await registerAdminKey(api.redis, config);

const server = createAdaptorServer({ fetch: api.app.fetch });
server.listen(config.port, config.host);
await once(server, 'listening');
const bound = server.address();
const url = typeof bound === 'object' && bound ? config.url.replace(/:0$/, `:${bound.port}`) : config.url;
log.info({ url }, 'the API listens');
tellReady(url);

const why = await waitForStop();
log.info({ why }, 'the API ends');
server.close(); // requests under way are answered; idle connections end now
if ('closeIdleConnections' in server) server.closeIdleConnections();
await Promise.race([once(server, 'close'), new Promise((resolve) => setTimeout(resolve, 2500).unref())]);
await api.close();
