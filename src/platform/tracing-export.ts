import type { Logger } from './log.ts';
import type { Attributes, Span, SpanSink } from './tracing.ts';

export interface TraceExport {
  /** Of a collector's HTTP receiver, without `/v1/traces`: OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly serviceName: string;
}

export interface SpanExporter {
  readonly sink: SpanSink;
  /** Sends what is left, for a second at most. */
  close(): Promise<void>;
}

const waitMs = 1000;
const sentAtOnce = 512;
const mostHeld = 2048;
const answerTimeoutMs = 5000;

/**
 * Sends spans to an OpenTelemetry collector as OTLP/HTTP JSON, in batches, beside the requests they tell of. What the collector does not take is
 * dropped: a service must not fill its memory because its observer is down. Written here because the packages of OpenTelemetry would be some
 * forty dependencies that patch every module, for five spans whose times are at hand.
 */
export function openSpanExporter(log: Pick<Logger, 'warn'>, target: TraceExport): SpanExporter {
  let held: Span[] = [];
  let sending: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let isDown = false;

  async function sendAll(): Promise<void> {
    while (held.length > 0) {
      const batch = held.splice(0, sentAtOnce);
      try {
        await post(target, batch);
        isDown = false;
      } catch (err) {
        if (!isDown)
          log.warn({ err, endpoint: target.endpoint, spans: batch.length }, 'traces are not taken; they are dropped until they are');
        isDown = true;
        held = [];
      }
    }
  }

  function send(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    sending ??= sendAll().finally(() => {
      sending = undefined;
    });
    return sending;
  }

  return {
    sink: (span) => {
      if (held.length >= mostHeld) return;
      held.push(span);
      timer ??= setTimeout(send, waitMs).unref();
    },
    close: async () => {
      await Promise.race([send(), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    },
  };
}

async function post({ endpoint, headers, serviceName }: TraceExport, spans: readonly Span[]): Promise<void> {
  const resource = { attributes: attributesOf({ 'service.name': serviceName }) };
  const body = { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'thaw' }, spans: spans.map(otlpSpan) }] }] };
  const answer = await fetch(`${endpoint.replace(/\/+$/, '')}/v1/traces`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(answerTimeoutMs),
  });
  await answer.body?.cancel();
  if (!answer.ok) throw new Error(`the collector answered ${answer.status}`);
}

/** https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: ids as hex, numbers of 64 bits as strings, enums as numbers. */
function otlpSpan({ traceId, spanId, parentId, kind, name, startMs, endMs, failed, attributes }: Span): object {
  return {
    ...{ traceId, spanId, name, kind: kind === 'server' ? 2 : 1, attributes: attributesOf(attributes) },
    ...(parentId === undefined ? {} : { parentSpanId: parentId }),
    startTimeUnixNano: nanoseconds(startMs),
    endTimeUnixNano: nanoseconds(endMs),
    status: failed ? { code: 2 } : {},
  };
}

function attributesOf(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === 'number' ? { intValue: String(value) } : { stringValue: value },
  }));
}

function nanoseconds(ms: number): string {
  return `${BigInt(Math.round(ms * 1000)) * 1000n}`;
}
