import { randomBytes } from 'node:crypto';

/** Of a request whose caller traces it, or that is exported; `traceId` also stands in log lines, events and the audit log. */
export interface RequestTrace {
  readonly traceId: string;
  /** Adds a part of the request; times of performance.now(). Nothing happens unless it is exported. */
  addPart(name: string, startedAt: number, endedAt: number, attributes?: Attributes): void;
  /** The request is answered: `startedAt` of performance.now(). */
  end(name: string, startedAt: number, outcome: { readonly failed: boolean; readonly attributes: Attributes }): void;
}

export type Attributes = Readonly<Record<string, string | number>>;

/** A finished part of a trace; times in ms since the epoch. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly kind: 'server' | 'internal';
  readonly name: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly failed: boolean;
  readonly attributes: Attributes;
}

/** What takes spans; it never waits and never throws. */
export type SpanSink = (span: Span) => void;

/** The trace of a request, by its `traceparent`; undefined when it has none and nothing is exported, so that tracing costs nothing. */
export function beginTrace(traceparent: string | undefined, sink: SpanSink | undefined): RequestTrace | undefined {
  if (traceparent === undefined && sink === undefined) return undefined;
  const caller = parseTraceparent(traceparent);
  if (sink === undefined || caller?.sampled === false) return caller && { traceId: caller.traceId, addPart: ignore, end: ignore };
  const traceId = caller?.traceId ?? randomBytes(16).toString('hex');
  const spanId = randomBytes(8).toString('hex');
  const offsetMs = Date.now() - performance.now(); // once, so that parts that follow each other stay so
  const emit = (span: Omit<Span, 'traceId' | 'startMs' | 'endMs'>, startedAt: number, endedAt: number) => {
    sink({ ...span, traceId, startMs: offsetMs + startedAt, endMs: offsetMs + endedAt });
  };
  return {
    traceId,
    addPart: (name, startedAt, endedAt, attributes = {}) => {
      const part = { spanId: randomBytes(8).toString('hex'), parentId: spanId, kind: 'internal', failed: false } as const;
      emit({ ...part, name, attributes }, startedAt, endedAt);
    },
    end: (name, startedAt, { failed, attributes }) => {
      emit({ spanId, parentId: caller?.parentId, kind: 'server', name, failed, attributes }, startedAt, performance.now());
    },
  };
}

function ignore(): void {}

/** W3C Trace Context, version 00; of later versions the part that 00 knows. Undefined for what does not fit: the request then has no caller's trace. */
export function parseTraceparent(header: string | undefined): { traceId: string; parentId: string; sampled: boolean } | undefined {
  const match = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header?.trim() ?? '');
  const [, version, traceId = '', parentId = '', flags = '', more] = match ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}
