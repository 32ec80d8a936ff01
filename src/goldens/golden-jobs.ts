import type { GoldenId, OperationId } from '#src/platform/ids.ts';

/** Asks a node for what only it can do. Repeating it while the job is queued or under way changes nothing. */
export interface GoldenJobs {
  capture(node: string, operation: OperationId): Promise<void>;
  verify(node: string, operation: OperationId): Promise<void>;
  export(node: string, operation: OperationId): Promise<void>;
  /** Of a golden that was captured on another class of nodes. */
  build(node: string, operation: OperationId): Promise<void>;
  dryRun(node: string, operation: OperationId): Promise<void>;
  /** Removes the files of a golden that is deleted or failed. */
  removeGolden(node: string, golden: GoldenId): Promise<void>;
}
