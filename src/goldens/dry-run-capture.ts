import type { CheckpointReport } from '#src/engine/checkpoint-report.ts';
import type { Engine } from '#src/engine/engine.ts';
import { createInstance } from '#src/instances/store.ts';
import { runOperation } from '#src/operations/run-operation.ts';
import { getOperation } from '#src/operations/store.ts';
import type { OperationId } from '#src/platform/ids.ts';
import { requireTemplate } from '#src/templates/store.ts';
import type { TemplateSpec } from '#src/templates/template.ts';
import { type PrimerDeps, preparePrimer } from './capture/prepare-primer.ts';
import { DryRunParams } from './request-dry-run.ts';
import { destroyWorkingInstances, workingInstances } from './working-instances.ts';

export interface DryRunDeps extends PrimerDeps {
  readonly engine: PrimerDeps['engine'] & Pick<Engine, 'inspect' | 'destroy'>;
}

/**
 * The worker's part of a dry run: a primer goes the way of a capture up to the checkpoint, is looked at instead, and destroyed whatever happens.
 * A second run destroys what the first left and begins afresh.
 */
export async function dryRunCapture(deps: DryRunDeps, id: OperationId, signal: AbortSignal): Promise<void> {
  const operation = await getOperation(deps.redis, id);
  if (!operation) return;
  const { node } = DryRunParams.parse(operation.params);
  const { primer } = workingInstances(id);
  const ran = await runOperation(deps.redis, id, signal, async (step) => {
    await destroyWorkingInstances(deps, id); // also when there is no template any more
    const { name: template, spec } = await requireTemplate(deps.redis, operation.target);
    try {
      await createInstance(deps.redis, { id: primer, pool: '', template, node, role: 'primer', state: 'starting' });
      const { coldStart, coldStartCpu } = await preparePrimer(deps, primer, spec, step);
      const report = await step('inspect', () => deps.engine.inspect(primer));
      return { ...judge(report, spec), coldStartMs: coldStart, coldStartCpuMs: coldStartCpu };
    } finally {
      await destroyWorkingInstances(deps, id);
    }
  });
  if (!ran) await destroyWorkingInstances(deps, id); // it was cancelled while its worker was dead
}

/** What the engine calls a cost is a reason to stop where the template says so. */
function judge(report: CheckpointReport, { capture }: TemplateSpec): CheckpointReport {
  if (capture?.connections !== 'refuse') return report;
  const findings = report.findings.map((one) => (one.kind === 'connection' ? { ...one, severity: 'stops' as const } : one));
  return { ...report, findings, wouldSucceed: findings.every(({ severity }) => severity !== 'stops') };
}
