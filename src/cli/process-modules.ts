import { fileURLToPath } from 'node:url';

/** The modules that are processes of their own. By their paths, because nothing in src imports workers. */
export const processModules = {
  agent: fileURLToPath(import.meta.resolve('#src/nodes/main.ts')),
  api: fileURLToPath(import.meta.resolve('#src/api/main.ts')),
  worker: fileURLToPath(import.meta.resolve('#workers/main.ts')),
};
