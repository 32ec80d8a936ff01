import { expect, test } from 'vitest';
import { recordTimings } from '#src/claims/record-timings.ts';
import { createMetrics } from '#src/platform/metrics.ts';
import { beginTrace, type Span } from '#src/platform/tracing.ts';

const receipt = { path: 'hot' as const, timingsMs: { wait: 2, restore: 0, bind: 3, hook: 1, total: 6 } };

test('a claim tells the metrics what its phases took, and nothing of those it did not need', async () => {
  const metrics = createMetrics();
  recordTimings({ metrics, trace: undefined }, performance.now(), receipt);
  const text = await metrics.render();
  expect(text).toMatch(/^thaw_claim_phase_seconds_sum\{path="hot",phase="bind"\} 0.003$/m);
  expect(text).toMatch(/^thaw_claim_phase_seconds_count\{path="hot",phase="wait"\} 1$/m);
  expect(text).not.toContain('phase="restore"');
});

test('a traced claim has a span for each of its parts, one after the other', () => {
  const spans: Span[] = [];
  const trace = beginTrace(undefined, (span) => spans.push(span));
  const startedAt = performance.now() - 7;
  recordTimings({ metrics: createMetrics(), trace }, startedAt, receipt);
  expect(spans.map((span) => span.name)).toEqual(['reserve', 'bind', 'hook', 'activate']);
  for (const [index, span] of spans.slice(1).entries()) expect(span.startMs).toBeCloseTo(spans[index]?.endMs ?? 0, 1);
});
