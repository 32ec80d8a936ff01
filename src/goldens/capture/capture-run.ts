import type { Engine } from '#src/engine/engine.ts';
import type { Golden } from '#src/goldens/golden.ts';
import type { GoldenDiskDeps } from '#src/goldens/keep/golden-disk.ts';
import type { CaptureParams } from '#src/goldens/request-capture.ts';
import type { VerifyDeps } from '#src/goldens/verify-golden.ts';
import type { RunStep } from '#src/operations/run-operation.ts';
import type { OperationId } from '#src/platform/ids.ts';

export interface CaptureDeps extends VerifyDeps, Omit<GoldenDiskDeps, 'engine'> {
  readonly engine: VerifyDeps['engine'] &
    GoldenDiskDeps['engine'] &
    Pick<Engine, 'start' | 'stats' | 'checkpoint' | 'importGolden' | 'scanGolden' | 'removeGolden'>;
}

/** One run of a capture, as its steps see it. */
export interface CaptureRun {
  readonly deps: CaptureDeps;
  /** As it was when the run began. */
  readonly golden: Golden;
  readonly operation: OperationId;
  readonly params: CaptureParams;
  readonly step: RunStep;
}
