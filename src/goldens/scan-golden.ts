import type { Engine } from '#src/engine/engine.ts';
import type { ScanReport } from '#src/engine/scan-report.ts';
import { ThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import type { Golden } from './golden.ts';
import { noteGolden } from './note-golden.ts';

export interface ScanDeps {
  readonly redis: Redis;
  readonly engine: Pick<Engine, 'scanGolden'>;
}

const findingsTold = 5;

/**
 * Looks for secrets in what a primer's checkpoint took along, where the template asks for it, and records what was found. Throws
 * secrets_found when that is something and the policy is to block. The values are told nowhere.
 */
export async function scanGolden({ redis, engine }: ScanDeps, golden: Golden, signal: AbortSignal): Promise<void> {
  const { scan } = golden.spec;
  if (!scan) return;
  const report = await engine.scanGolden(golden.id, scan.canaries, signal);
  await noteGolden(redis, golden.id, { scan: report });
  if (scan.policy === 'block' && report.findings.length > 0) throw secretsFound(golden, report);
}

function secretsFound({ id }: Golden, { findings }: ScanReport): ThawError {
  const told = findings.slice(0, findingsTold).map(({ kind, where, count }) => `${kind} in ${where} (${count})`);
  const more = findings.length > findingsTold ? ` and ${findings.length - findingsTold} more` : '';
  return new ThawError(
    'secrets_found',
    `golden ${id} would hold what looks like secrets, for every clone to have: ${told.join(', ')}${more}`,
    {
      fix: 'Let the app forget them in hooks.beforeCheckpoint, and take secrets at the bind instead; or set scan.policy to warn.',
    },
  );
}
