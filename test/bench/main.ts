import { benchRestore } from './restore.ts';

const benches: Readonly<Record<string, () => Promise<object>>> = { restore: benchRestore };

/** `npm run bench NAME [-- --json]`: figures of one run, side by side. With --json the last line is one object. */
const [name = '', ...flags] = process.argv.slice(2);
const bench = benches[name];
if (!bench) {
  process.stderr.write(`Which bench? One of: ${Object.keys(benches).join(', ')}\n`);
  process.exit(2);
}
const figures = await bench();
if (flags.includes('--json')) process.stdout.write(`${JSON.stringify(figures)}\n`);
