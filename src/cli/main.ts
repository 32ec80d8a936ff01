#!/usr/bin/env node

// Before anything is loaded: an older Node fails on the first file it can not read, with a message about syntax.
const oldestNode = 24;
if (Number(process.versions.node.split('.')[0]) < oldestNode) {
  process.stderr.write(`thaw: this is Node ${process.versions.node}; Thaw needs Node ${oldestNode} or newer\n`);
  process.stderr.write('      In a checkout use `npm run thaw -- COMMAND`, which brings its own Node.\n');
  process.exit(1);
}

// Whoever reads our lines may stop doing so (`thaw up | head -1`): what was asked goes on.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

const { runThaw } = await import('./run-thaw.ts');
const { takeEnvironment } = await import('#src/platform/take-environment.ts');
process.exitCode = await runThaw(
  {
    env: takeEnvironment(process.env),
    print: (line) => process.stdout.write(`${line}\n`),
    note: (line) => process.stderr.write(`${line}\n`),
  },
  process.argv.slice(2),
);
