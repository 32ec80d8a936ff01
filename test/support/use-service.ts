import { afterEach, beforeEach } from 'vitest';
import { made } from './made.ts';
import { startService, type TestService } from './service.ts';

/** Each test meets a service of its own. */
export function useService(): Omit<TestService, 'close' | 'contract'> {
  let service: TestService | undefined;
  beforeEach(async () => {
    service = await startService();
  });
  afterEach(() => service?.close());
  return {
    get redis() {
      return made(service).redis;
    },
    get config() {
      return made(service).config;
    },
    get engine() {
      return made(service).engine;
    },
    request: (...request) => made(service).request(...request),
    listen: () => made(service).listen(),
    stopWorker: () => made(service).stopWorker(),
    startWorker: () => made(service).startWorker(),
  };
}
