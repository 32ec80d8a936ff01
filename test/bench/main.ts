import { benchCapture } from './capture.ts';
import { benchClaims } from './claims.ts';
import { benchRealClaims } from './claims-real.ts';
import { benchGateway } from './gateway.ts';
import { benchMemory } from './memory.ts';
import { benchRefresh } from './refresh.ts';
import { benchRestore } from './restore.ts';
import { benchScan } from './scan.ts';

const benches: Readonly<Record<string, (flags: readonly string[]) => Promise<object>>> = {
  capture: benchCapture,
  claims: (flags) => (flags.join(' ').includes('--engine criu') ? benchRealClaims() : benchClaims()),
  gateway: benchGateway,
  memory: benchMemory,
  refresh: benchRefresh,
  restore: benchRestore,
  scan: benchScan,
};

/** `npm run bench NAME [-- --json]`, `npm run bench claims -- --engine criu`: figures of one run, side by side. With --json the last line is one object. */
const [name = '', ...flags] = process.argv.slice(2);
const bench = benches[name];
if (!bench) {
  process.stderr.write(`Which bench? One of: ${Object.keys(benches).join(', ')}\n`);
  process.exit(2);
}
const figures = await bench(flags);
if (flags.includes('--json')) process.stdout.write(`${JSON.stringify(figures)}\n`);
