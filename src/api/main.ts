import { composeApi } from '#src/compose.ts';
import { listenAt } from '#src/platform/listen-at.ts';
import { runProcess } from '#src/platform/parent-process.ts';
import { openServer } from './open-server.ts';
import { registerAdminKey } from './register-admin-key.ts';

/** Requests under way are answered within this time when the process is told to end. */
const lastAnswersMs = 2500;

await runProcess('api', async (config, log) => {
  const api = await composeApi(config, log);
  await registerAdminKey(api.redis, config);
  const { server, close } = await openServer({ ...api, log }, config.tls);
  await listenAt(server, config, { host: 'THAW_HOST', port: 'THAW_PORT' });
  const bound = server.address();
  const url = typeof bound === 'object' && bound ? config.url.replace(/:0$/, `:${bound.port}`) : config.url;
  api.place.url = url;
  log.info({ url }, 'the API listens');
  return {
    url,
    stop: async () => {
      api.endStreams();
      await close(lastAnswersMs);
      await api.close();
    },
  };
});
