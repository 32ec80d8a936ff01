import type { Operation } from '#src/operations/operation.ts';
import { type CaptureWish, type RequestDeps, requestCapture } from './request-capture.ts';

export interface RefreshWish extends Pick<CaptureWish, 'requestedBy' | 'notes'> {
  /** The same key is the same refresh, for as long as its operation is kept. */
  readonly idempotencyKey?: string | undefined;
}

/**
 * Takes the template's next golden and promotes it as the template's policy says; answers the operation to watch.
 * Throws template_not_found, no_node or, while a golden of it is being taken, capture_in_progress.
 */
export function requestRefresh(deps: RequestDeps, template: string, { idempotencyKey, ...wish }: RefreshWish): Promise<Operation> {
  return requestCapture(deps, template, wish, idempotencyKey, 'refresh-template');
}
