/** One story, told by every example of openapi.yaml: template `search`, its golden 7, and a claim of the tenant acme on it. */
const at = '2026-01-01T00:00:00.000Z';
const later = '2026-01-01T00:10:00.000Z';
const etag = '44136fa355b3678a';

/** What stands for a parameter of this name, so that a request can be tried out as it is. */
export const parameterExamples: Readonly<Record<string, string | number>> = {
  ...{ template: 'search', number: 7, alias: 'stable', pool: 'search', tenant: 'acme', node: 'node-1' },
  ...{ claim: 'clm-0123456789abcdef', instance: 'ins-0123456789abcdef', operation: 'op-0123456789abcdef', key: 'key-0123456789abcdef' },
};

const template = {
  image: 'registry.example/search:4',
  ports: [{ name: 'web', port: 8080, protocol: 'http' }],
  env: { INDEX: 'en' },
  resources: { memoryBytes: 1_073_741_824, cpus: 1, pids: 512 },
  ready: { http: { port: 8080, path: '/healthz' }, timeoutMs: 120_000, intervalMs: 100 },
  warmup: [{ http: { port: 8080, path: '/search?q=warm', method: 'GET' } }],
};

const claim = {
  ...{ id: 'clm-0123456789abcdef', state: 'active', pool: 'search', tenant: 'acme', labels: { order: '4711' } },
  ...{ createdAt: at, expiresAt: later },
  instance: {
    ...{ id: 'ins-0123456789abcdef', node: 'node-1', golden: 'search@7' },
    endpoints: [{ name: 'web', url: 'https://8080--clm-0123456789abcdef.thaw.example', host: '10.77.0.12', port: 8080 }],
  },
  receipt: { path: 'hot', golden: 'search@7', timingsMs: { wait: 1.1, restore: 0, bind: 0.9, hook: 0, total: 2 } },
};

const key = {
  ...{ id: 'key-0123456789abcdef', name: 'shop', role: 'backend', scope: { pools: ['search'] } },
  ...{ rateLimit: { perSecond: 50, burst: 100 }, createdAt: at },
};

const operation = {
  ...{ id: 'op-0123456789abcdef', kind: 'capture-golden', target: 'search@7', state: 'running' },
  steps: [
    { name: 'start', state: 'succeeded', tookMs: 618 },
    { name: 'ready', state: 'running' },
  ],
  ...{ createdAt: at, updatedAt: at },
};

/** By the name of the component. Those that have an example where they are defined are not here. */
export const componentExamples: Readonly<Record<string, object>> = {
  Readiness: { ready: true, problems: [], warnings: [] },
  TemplateRequest: template,
  Template: { name: 'search', ...template, etag, createdAt: at, updatedAt: at },
  Operation: operation,
  CaptureRequest: { promote: true },
  Golden: {
    ...{ id: 'search@7', template: 'search', number: 7, state: 'ready', node: 'node-1', operation: 'op-0123456789abcdef' },
    ...{ templateEtag: etag, sizeBytes: 205_127_680, pagesBytes: 204_800_000, digest: `sha256:${'5f'.repeat(32)}` },
    fingerprint: { arch: 'x64', kernel: '6.18.0', engine: 'criu', criu: '4.2.1', runc: '1.1.5', cgroup: 'v2' },
    ...{ timingsMs: { coldStart: 11_900, dump: 900, total: 1100 }, createdAt: at },
  },
  Alias: {
    ...{ alias: 'stable', golden: 7, previous: 6, etag: '7-2' },
    history: [
      { golden: 7, movedAt: later, by: 'thaw' },
      { golden: 6, movedAt: at, by: 'ops' },
    ],
  },
  AliasRequest: { golden: 7 },
  Pool: {
    ...{ name: 'search', template: 'search', golden: 'stable', size: { ready: 5, max: 20 } },
    ...{ lease: { defaultMs: 900_000, maxMs: 86_400_000 }, perTenant: { held: 3 } },
    rollout: { surge: 1, soakMs: 5000, deadlineMs: 600_000, maxRestoreFactor: 3 },
    status: {
      ...{ warm: 5, restoring: 0, claimed: 3, wanted: 5, golden: 'search@7', updated: 5, outdated: 0, failed: 0 },
      rollout: { from: 'search@6', to: 'search@7', state: 'complete', startedAt: at, deadline: later, endedAt: at },
    },
    ...{ etag, createdAt: at, updatedAt: at },
  },
  PoolAdvice: {
    ...{ pool: 'search', hitRate: 0.999, ready: 6, memoryBytes: 1_288_490_188, confidence: 'good', notes: [] },
    inputs: {
      ...{ claims: 4120, recordedMinutes: 1440, peakPerMinute: 31, peakAt: at, restores: 4100, restoreMs: 297, reactionMs: 50 },
      ...{ restoresAtOnce: 2, cloneBytes: 214_748_364 },
    },
  },
  Claim: claim,
  BatchAnswer: {
    items: [
      { status: 201, claim },
      {
        status: 503,
        problem: {
          ...{ code: 'pool_empty', class: 'capacity', message: 'pool search has no warm instance: 0 of 5 are warm, 2 are being restored' },
          ...{ fix: 'Wait in line with waitMs, or try again after Retry-After.', retryAfterMs: 600 },
        },
      },
    ],
  },
  ClaimToken: {
    token: 'thawo_0123456789abcdefghijkl',
    url: 'https://8080--clm-0123456789abcdef.thaw.example/?thaw_token=thawo_0123456789abcdefghijkl',
    expiresAt: later,
  },
  Instance: {
    ...{ id: 'ins-0123456789abcdef', pool: 'search', template: 'search', golden: 'search@7', node: 'node-1', role: 'clone', state: 'warm' },
    ...{ address: '10.77.0.12', ports: [{ name: 'web', port: 8080, addressPort: 8080, protocol: 'http' }] },
    timingsMs: { queue: 2, sandbox: 80, rootfs: 12, criu: 190, ready: 8, total: 297 },
    ...{ createdAt: at, stateAt: at, warmAt: at },
  },
  Node: {
    ...{ name: 'node-1', state: 'ready', fit: true, problems: [] },
    capacity: { memoryBytes: 25_769_803_776, memoryFreeBytes: 21_474_836_480, diskFreeBytes: 107_374_182_400, cpus: 2 },
    fingerprint: { arch: 'x64', kernel: '6.18.0', engine: 'criu', criu: '4.2.1', runc: '1.1.5', cgroup: 'v2' },
    heartbeatAt: at,
  },
  Key: key,
  NewKey: { ...key, secret: 'thaw_0123456789abcdefghijklmnopqrstuv' },
  TenantToken: { token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhY21lIn0.c2lnbmF0dXJl', tenant: 'acme', pools: ['search'], expiresAt: later },
  AuditEntry: {
    ...{ at, requestId: '9b2f9a0c-5d0e-4d7c-8f4b-0d7f3b1f7a11', key: 'key-0123456789abcdef', name: 'shop', role: 'backend' },
    ...{ action: 'claimInstance', target: 'POST /v1/pools/search/claims', status: 201, address: '10.0.0.9' },
  },
};

const { instance: _none, receipt: _neither, ...unserved } = claim;
const waiting = { ...unserved, state: 'waiting' };
const ended = { ...claim, state: 'released', endedAt: later, endReason: 'released' };

/** Where an answer is not what its component's example shows: by operationId and status, and the media type where it is no JSON. */
export const answerExamples: Readonly<Record<string, unknown>> = {
  'health 200': { ok: true },
  'metrics 200 text/plain': '# TYPE thaw_claim_seconds histogram\nthaw_claim_seconds_count{path="hot",outcome="ok"} 412\n',
  'claimInstance 202': waiting,
  'claimByChoice 202': waiting,
  'releaseClaim 200': ended,
  'verifyGolden 202': { ...operation, kind: 'verify-golden', state: 'queued', steps: [] },
  'exportGolden 202': { ...operation, kind: 'export-golden', state: 'queued', steps: [] },
  'refreshTemplate 202': { ...operation, kind: 'refresh-template', state: 'queued', steps: [] },
  'cancelOperation 200': { ...operation, state: 'cancelled' },
  'cordonNode 200': { ...componentExamples.Node, state: 'cordoned' },
  'getClaimLogs 200 text/plain': 'listening on 8080\nGET /healthz 200\n',
  'listEvents 200 text/event-stream':
    'id: 1767225600000-0\ndata: {"id":"1767225600000-0","at":"2026-01-01T00:00:00.000Z","type":"claim.active","claim":"clm-0123456789abcdef"}\n\n',
  'readAudit 200 application/x-ndjson': `${JSON.stringify(componentExamples.AuditEntry)}\n`,
};
