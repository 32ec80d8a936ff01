import type { CheckpointReport } from '#src/engine/checkpoint-report.ts';
import { ThawError } from '#src/platform/errors.ts';
import { instanceMemoryBytes, type SimulatedInstance } from './simulated-instance.ts';
import { readSwitches } from './switches.ts';

const fix = 'Leave THAW_SIMULATE_CHECKPOINT_FINDING out of the env.';

/** A simulated app holds nothing that a checkpoint trips over, unless its env says so. */
export function simulatedReport({ app }: SimulatedInstance): CheckpointReport {
  const { THAW_SIMULATE_CHECKPOINT_FINDING: detail } = readSwitches('app_start_failed', app.workload.env);
  const findings = detail === undefined ? [] : [{ kind: 'simulated', severity: 'stops' as const, process: 'app (pid 1)', detail, fix }];
  const memoryBytes = instanceMemoryBytes + app.allocatedBytes;
  return { wouldSucceed: findings.length === 0, findings, memoryBytes, processes: 1, connections: [] };
}

/** Throws checkpoint_unsupported for what the report of the same instance would stop at. */
export function refuseCheckpoint(instance: SimulatedInstance): void {
  const [finding] = simulatedReport(instance).findings;
  if (finding) throw new ThawError('checkpoint_unsupported', `the checkpoint of ${instance.id} failed: ${finding.detail}`, { fix });
}
