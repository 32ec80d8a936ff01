/** What kind of thing is broken, so that a caller knows whom to ask: the first column of every failure (law 9). */
export const failureClasses = ['request', 'capacity', 'template', 'golden', 'node', 'conflict', 'bug'] as const;
export type FailureClass = (typeof failureClasses)[number];

/**
 * Every problem Thaw can answer with, in one table: the stable code, its HTTP status, its class and its title.
 * REST answers, operations and logs all speak these codes; openapi.yaml is generated from this table.
 */
export const problems = {
  // the request
  unauthenticated: { status: 401, class: 'request', title: 'No valid API key' },
  forbidden: { status: 403, class: 'request', title: 'This key may not do that' },
  not_found: { status: 404, class: 'request', title: 'No such route' },
  method_not_allowed: { status: 405, class: 'request', title: 'The route does not know this method' },
  template_not_found: { status: 404, class: 'request', title: 'No such template' },
  golden_not_found: { status: 404, class: 'request', title: 'No such golden' },
  alias_not_found: { status: 404, class: 'request', title: 'No such alias' },
  pool_not_found: { status: 404, class: 'request', title: 'No such pool' },
  claim_not_found: { status: 404, class: 'request', title: 'No such claim' },
  instance_not_found: { status: 404, class: 'request', title: 'No such instance' },
  operation_not_found: { status: 404, class: 'request', title: 'No such operation' },
  node_not_found: { status: 404, class: 'request', title: 'No such node' },
  key_not_found: { status: 404, class: 'request', title: 'No such key' },
  token_required: { status: 401, class: 'request', title: 'No valid token for this claim' },
  api_key_refused: { status: 403, class: 'request', title: 'An API key is not for instances' },
  cross_origin_refused: { status: 403, class: 'request', title: 'The request comes from another site' },
  hook_unreachable: { status: 403, class: 'request', title: 'Hooks are not for tenants' },
  port_not_found: { status: 404, class: 'request', title: 'The template lists no such port' },
  request_target_invalid: { status: 400, class: 'request', title: 'The request target can not be used' },
  malformed_request: { status: 400, class: 'request', title: 'The request is not HTTP' },
  headers_too_large: { status: 431, class: 'request', title: 'The headers are too large' },
  request_timed_out: { status: 408, class: 'request', title: 'The request took too long to arrive' },
  body_too_large: { status: 413, class: 'request', title: 'The body is too large' },
  unsupported_media_type: { status: 415, class: 'request', title: 'The body must be application/json' },
  malformed_json: { status: 400, class: 'request', title: 'The body is not JSON' },
  validation_failed: { status: 422, class: 'request', title: 'The request does not fit its schema' },
  volumes_unsupported: { status: 422, class: 'template', title: 'Volumes are not supported yet' },
  image_reference_invalid: { status: 422, class: 'template', title: 'The image reference can not be used' },
  archive_invalid: { status: 422, class: 'request', title: 'The checkpoint archive can not be used' },
  archive_unsupported: { status: 422, class: 'request', title: 'The checkpoint archive lacks or holds what can not be restored here' },
  archive_too_large: { status: 422, class: 'request', title: 'The checkpoint archive exceeds a limit' },
  quota_exceeded: { status: 429, class: 'capacity', title: 'The tenant has reached a limit' },
  client_closed_request: { status: 408, class: 'request', title: 'The client hung up' },
  rate_limited: { status: 429, class: 'request', title: 'This key sends too many requests' },
  // conflicts
  precondition_failed: { status: 412, class: 'conflict', title: 'The resource has changed' },
  idempotency_key_reused: { status: 409, class: 'conflict', title: 'The idempotency key was used with another body' },
  claim_gone: { status: 410, class: 'conflict', title: 'The claim has ended' },
  claim_not_held: { status: 409, class: 'conflict', title: 'The claim holds no instance yet' },
  claim_ended: { status: 409, class: 'conflict', title: 'The claim has ended' },
  template_in_use: { status: 409, class: 'conflict', title: 'The template is in use' },
  last_admin_key: { status: 409, class: 'conflict', title: 'The last admin key can not be deleted' },
  pool_in_use: { status: 409, class: 'conflict', title: 'The pool is in use' },
  golden_in_use: { status: 409, class: 'conflict', title: 'The golden is in use' },
  golden_not_ready: { status: 409, class: 'conflict', title: 'The golden is not ready' },
  export_target_exists: { status: 409, class: 'conflict', title: 'What the export would write exists already' },
  capture_in_progress: { status: 409, class: 'conflict', title: 'A capture of this template is under way' },
  invalid_transition: { status: 409, class: 'conflict', title: 'Not possible in this state' },
  cancelled: { status: 409, class: 'conflict', title: 'The operation was cancelled' },
  // capacity
  pool_empty: { status: 503, class: 'capacity', title: 'No warm instance right now' },
  claim_busy: { status: 503, class: 'capacity', title: 'The claim has too many connections' },
  claim_not_ready: { status: 503, class: 'capacity', title: 'The claim has no instance yet' },
  no_node: { status: 503, class: 'capacity', title: 'No node can take the work' },
  memory_reserve: { status: 503, class: 'capacity', title: "The node's memory reserve would be crossed" },
  disk_reserve: { status: 503, class: 'capacity', title: "The node's disk reserve would be crossed" },
  golden_disk_full: { status: 503, class: 'capacity', title: "The node's disk budget for goldens is used up" },
  addresses_exhausted: { status: 503, class: 'capacity', title: 'The node has no free address' },
  // the template: the image or the app in it
  image_not_found: { status: 422, class: 'template', title: 'The image does not exist' },
  image_pull_failed: { status: 502, class: 'template', title: 'The image could not be fetched' },
  image_unusable: { status: 422, class: 'template', title: 'The image can not be used' },
  app_start_failed: { status: 422, class: 'template', title: 'The app could not be started' },
  app_exited: { status: 422, class: 'template', title: 'The app ended before it was ready' },
  app_not_ready: { status: 422, class: 'template', title: 'The app did not become ready in time' },
  warmup_failed: { status: 422, class: 'template', title: 'A warm-up request failed' },
  app_refused: { status: 502, class: 'template', title: 'The app does not answer' },
  app_silent: { status: 504, class: 'template', title: 'The app did not answer in time' },
  hook_failed: { status: 422, class: 'template', title: 'A hook of the template failed' },
  not_unique: { status: 422, class: 'template', title: 'Two clones of the golden are the same' },
  smoke_failed: { status: 422, class: 'template', title: 'A clone failed the smoke test' },
  secrets_found: { status: 422, class: 'template', title: 'The checkpoint would hold secrets' },
  checkpoint_unsupported: { status: 422, class: 'template', title: 'The app can not be checkpointed' },
  // goldens
  checkpoint_failed: { status: 500, class: 'golden', title: 'The checkpoint failed' },
  restore_failed: { status: 500, class: 'golden', title: 'The restore failed' },
  clone_not_ready: { status: 500, class: 'golden', title: 'A clone did not answer after its restore' },
  clone_exited: { status: 500, class: 'golden', title: 'A clone ended by itself' },
  golden_regressed: { status: 500, class: 'golden', title: 'The golden is much slower or larger than the one in use' },
  restore_slow: { status: 500, class: 'golden', title: 'Clones are restored markedly slower than before' },
  golden_corrupt: { status: 500, class: 'golden', title: "The golden's files have changed" },
  golden_incompatible: { status: 409, class: 'golden', title: 'The golden does not fit here' },
  golden_missing: { status: 500, class: 'golden', title: "The golden's files are not on this node" },
  golden_untrusted: { status: 500, class: 'golden', title: 'The golden is not signed by a trusted key' },
  // nodes
  bind_failed: { status: 503, class: 'node', title: 'The instance could not be bound' },
  instance_unreachable: { status: 504, class: 'node', title: 'The instance can not be reached' },
  node_unreachable: { status: 503, class: 'node', title: 'The node does not answer' },
  instance_lost: { status: 503, class: 'node', title: 'The instance was lost' },
  encryption_key_missing: { status: 503, class: 'node', title: 'The key that goldens are encrypted with can not be had' },
  encryption_key_wrong: { status: 503, class: 'node', title: 'The golden is encrypted with another key' },
  node_unfit: { status: 503, class: 'node', title: 'The node can not run instances' },
  redis_unavailable: { status: 503, class: 'node', title: 'Redis does not answer' },
  subprocess_failed: { status: 500, class: 'node', title: 'A program failed' },
  image_push_failed: { status: 502, class: 'node', title: 'The image could not be brought to its registry' },
  // us
  internal: { status: 500, class: 'bug', title: 'A bug in Thaw' },
} as const satisfies Record<string, { status: number; class: FailureClass; title: string }>;

export type ProblemCode = keyof typeof problems;

export interface ThawErrorOptions {
  /** What the reader can do next, as a sentence. */
  readonly fix?: string;
  readonly cause?: unknown;
  /** Answered as Retry-After. */
  readonly retryAfterMs?: number;
  /** Further machine-readable fields of the problem, e.g. the path of each wrong field. Never secrets. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An expected failure. `message` says what failed, on what and the limit; `fix` says what to do. Bugs are plain errors. */
export class ThawError extends Error {
  override readonly name = 'ThawError';
  readonly code: ProblemCode;
  readonly fix: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: ProblemCode, message: string, options: ThawErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.fix = options.fix;
    this.retryAfterMs = options.retryAfterMs;
    this.details = options.details ?? {};
  }

  get status(): number {
    return problems[this.code].status;
  }

  get class(): FailureClass {
    return problems[this.code].class;
  }
}

export function isThawError(error: unknown, ...codes: ProblemCode[]): error is ThawError {
  return error instanceof ThawError && (codes.length === 0 || codes.includes(error.code));
}

/** What an error says, or whatever else was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The failure as plain data, to be kept on an operation or sent between processes. A bug keeps its message only. */
export function describeFailure(error: unknown): { code: ProblemCode; class: FailureClass; message: string; fix?: string } {
  if (isThawError(error)) {
    return { code: error.code, class: error.class, message: error.message, ...(error.fix === undefined ? {} : { fix: error.fix }) };
  }
  return { code: 'internal', class: 'bug', message: messageOf(error) };
}
