import type { CheckpointReport } from '#src/engine/checkpoint-report.ts';
import { formatBytes } from './table.ts';

/** What a checkpoint would meet, line by line; what stops it first. */
export function tellCheckpointReport({ findings, memoryBytes, processes }: CheckpointReport): string[] {
  const stops = findings.filter(({ severity }) => severity === 'stops');
  const costs = findings.filter(({ severity }) => severity === 'costs');
  const verdict =
    stops.length > 0 ? `a checkpoint would fail, for ${stops.length} of what it holds` : 'nothing in it would stop a checkpoint';
  const told = [...stops, ...costs].flatMap(({ severity, process, detail, fix }) => [
    `  ${severity}: ${process === '' ? '' : `${process}: `}${detail}`,
    `    ${fix}`,
  ]);
  return [`${processes} ${processes === 1 ? 'process' : 'processes'}, ${formatBytes(memoryBytes)} of memory: ${verdict}`, ...told];
}
