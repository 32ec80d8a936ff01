import { once } from 'node:events';
import { createServer } from 'node:http';
import { pino } from 'pino';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { beginTrace, parseTraceparent, type Span } from '#src/platform/tracing.ts';
import { openSpanExporter } from '#src/platform/tracing-export.ts';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const parentId = '00f067aa0ba902b7';
const traceparent = `00-${traceId}-${parentId}-01`;

describe('a traceparent', () => {
  it('names the trace, its parent and whether it is sampled', () => {
    expect(parseTraceparent(traceparent)).toEqual({ traceId, parentId, sampled: true });
    expect(parseTraceparent(`00-${traceId}-${parentId}-02`)?.sampled).toBe(false);
    expect(parseTraceparent(`cc-${traceId}-${parentId}-01-what-a-later-version-adds`)?.traceId).toBe(traceId);
  });

  it.each([
    undefined,
    '',
    'nonsense',
    `ff-${traceId}-${parentId}-01`,
    `00-${traceId}-${parentId}-01-more`,
    `00-${'0'.repeat(32)}-${parentId}-01`,
    `00-${traceId}-${'0'.repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${parentId}-01`,
    `00-${traceId}-${parentId}-1`,
  ])('that does not fit is none: %s', (header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });
});

describe('the trace of a request', () => {
  it('does not exist when nobody traces, exists without spans when only the caller does', () => {
    expect(beginTrace(undefined, undefined)).toBeUndefined();
    expect(beginTrace(traceparent, undefined)?.traceId).toBe(traceId);
  });

  it('is not exported when its caller does not sample it', () => {
    const spans: Span[] = [];
    const trace = beginTrace(`00-${traceId}-${parentId}-00`, (span) => spans.push(span));
    trace?.addPart('bind', 0, 1);
    trace?.end('GET /', 0, { failed: false, attributes: {} });
    expect(spans).toEqual([]);
  });

  it("hangs its parts below the request, and the request below the caller's span", () => {
    const spans: Span[] = [];
    const trace = beginTrace(traceparent, (span) => spans.push(span));
    const startedAt = performance.now();
    trace?.addPart('bind', startedAt, startedAt + 2);
    trace?.end('POST /v1/claims', startedAt, { failed: false, attributes: {} });
    const [part, request] = spans;
    expect(request).toMatchObject({ traceId, parentId, kind: 'server' });
    expect(part).toMatchObject({ traceId, parentId: request?.spanId, kind: 'internal', name: 'bind' });
    expect((part?.endMs ?? 0) - (part?.startMs ?? 0)).toBeCloseTo(2, 3);
    expect(Math.abs((part?.startMs ?? 0) - Date.now())).toBeLessThan(1000);
  });
});

const Sent = z.object({
  resourceSpans: z.tuple([
    z.object({
      resource: z.object({ attributes: z.array(z.unknown()) }),
      scopeSpans: z.tuple([z.object({ spans: z.array(z.record(z.string(), z.unknown())) })]),
    }),
  ]),
});

/** A collector that keeps what it is sent, and answers with `status`. */
async function startCollector() {
  const requests: { path: string | undefined; key: unknown; body: z.infer<typeof Sent> }[] = [];
  const collector = { url: '', status: 200, requests, close: () => server.close() };
  const server = createServer(async (request, response) => {
    const text = (await request.toArray()).join('');
    requests.push({ path: request.url, key: request.headers['x-key'], body: Sent.parse(JSON.parse(text)) });
    response.writeHead(collector.status).end('{}');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  collector.url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  return collector;
}

let collector: Awaited<ReturnType<typeof startCollector>>;

describe('the export', () => {
  afterEach(() => collector.close());

  const span: Span = {
    ...{ traceId, spanId: 'aaaaaaaaaaaaaaaa', parentId, kind: 'server', name: 'POST /v1/claims', failed: true },
    ...{
      startMs: 1_767_225_600_000.5,
      endMs: 1_767_225_600_002,
      attributes: { 'http.response.status_code': 500, 'http.route': '/v1/claims' },
    },
  };

  it('sends spans in batches, as OTLP/HTTP JSON', async () => {
    collector = await startCollector();
    const target = { endpoint: `${collector.url}/`, headers: { 'x-key': 'k' }, serviceName: 'thaw' };
    const exporter = openSpanExporter(pino({ level: 'silent' }), target);
    for (let i = 0; i < 700; i++) exporter.sink(span);
    await exporter.close();
    expect(collector.requests.map(({ body }) => body.resourceSpans[0].scopeSpans[0].spans.length)).toEqual([512, 188]);
    const [first] = collector.requests;
    expect(first).toMatchObject({ path: '/v1/traces', key: 'k' });
    expect(first?.body.resourceSpans[0].resource.attributes).toEqual([{ key: 'service.name', value: { stringValue: 'thaw' } }]);
    expect(first?.body.resourceSpans[0].scopeSpans[0].spans[0]).toEqual({
      ...{ traceId, spanId: 'aaaaaaaaaaaaaaaa', parentSpanId: parentId, kind: 2, name: 'POST /v1/claims', status: { code: 2 } },
      ...{ startTimeUnixNano: '1767225600000500000', endTimeUnixNano: '1767225600002000000' },
      attributes: [
        { key: 'http.response.status_code', value: { intValue: '500' } },
        { key: 'http.route', value: { stringValue: '/v1/claims' } },
      ],
    });
  });

  it('drops what the collector does not take, and says so once until it takes some again', async () => {
    collector = await startCollector();
    collector.status = 503;
    const warn = vi.fn();
    const exporter = openSpanExporter({ warn }, { endpoint: collector.url, headers: {}, serviceName: 'thaw' });
    for (let i = 0; i < 10_000; i++) exporter.sink(span);
    await exporter.close();
    exporter.sink(span);
    await exporter.close();
    expect(warn).toHaveBeenCalledTimes(1);
    expect(collector.requests).toHaveLength(2);
    collector.status = 200;
    exporter.sink(span);
    await exporter.close();
    expect(collector.requests.at(-1)?.body.resourceSpans[0].scopeSpans[0].spans).toHaveLength(1);
  });
});
