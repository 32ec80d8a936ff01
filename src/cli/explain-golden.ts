import { z } from 'zod';
import { canRestore, GoldenNodes, tellReasons } from './golden-nodes.ts';
import { formatBytes, formatDuration, formatTime, onOneLine } from './table.ts';

const Figures = z.object({ restoreMs: z.number(), memoryBytes: z.number() });

const Evidence = z.object({
  verifiedAt: z.string(),
  node: z.string(),
  clones: z.array(Figures),
  comparedWith: Figures.extend({ golden: z.string() }).optional(),
  notCompared: z.string().optional(),
  unique: z.boolean().optional(),
  smoke: z.object({ tookMs: z.number() }).optional(),
  problem: z.object({ message: z.string() }).optional(),
});

const Scan = z.object({
  findings: z.array(z.object({ kind: z.string(), where: z.string(), count: z.number() })),
  scannedBytes: z.number(),
});

/** Of a golden as REST shows it, what a person asks about. */
export const ExplainedGolden = z.object({
  id: z.string(),
  state: z.string(),
  node: z.string(),
  operation: z.string(),
  sizeBytes: z.number().optional(),
  imageDigest: z.string().optional(),
  notes: z.string().optional(),
  requestedBy: z.object({ name: z.string() }).optional(),
  steps: z.array(z.object({ name: z.string(), tookMs: z.number() })).optional(),
  connections: z.array(z.object({ local: z.string(), peer: z.string(), process: z.string() })).optional(),
  createdAt: z.string(),
  problem: z.object({ message: z.string(), fix: z.string().optional() }).optional(),
  evidence: Evidence.optional(),
  scan: Scan.optional(),
  nodes: GoldenNodes,
});

/** One line for each thing that is known of it, the evidence of its last verify included. */
export function explainGolden(golden: z.infer<typeof ExplainedGolden>): string {
  const { id, state, node, operation, sizeBytes, imageDigest, notes, requestedBy, createdAt, problem, evidence, scan, nodes = [] } = golden;
  const { steps = [], connections = [] } = golden;
  const rows: [string, string | undefined][] = [
    ['captured', `${formatTime(createdAt)}${requestedBy ? ` by ${requestedBy.name}` : ''}, see \`thaw operations ${operation}\``],
    ['size', sizeBytes === undefined ? undefined : formatBytes(sizeBytes)],
    ['image', imageDigest],
    ['notes', notes],
    ['took', steps.map(({ name, tookMs }) => `${name} ${formatDuration(tookMs)}`).join(', ') || undefined],
    ['disconnected', connections.map(({ local, peer, process }) => `${process} ${local} from ${peer}`).join(', ') || undefined],
    ...(evidence ? explainEvidence(evidence) : []),
    ['secrets', scan && describeScan(scan)],
    ...nodes.map((on): [string, string] => [`on ${on.node}`, canRestore(on) ? 'clones can be made' : `no clones: ${tellReasons(on)}`]),
    ['problem', problem?.message],
    ['fix', problem?.fix],
  ];
  const lines = rows.flatMap(([title, text]) => (text === undefined ? [] : [`  ${title.padEnd(13)} ${onOneLine(text)}`]));
  return [`${id} is ${state}, on ${node}.`, ...lines].join('\n');
}

function explainEvidence(evidence: z.infer<typeof Evidence>): [string, string | undefined][] {
  const { verifiedAt, node, clones, comparedWith, notCompared, unique, smoke, problem } = evidence;
  return [
    ['verified', `${formatTime(verifiedAt)} on ${node}: ${problem === undefined ? 'passed' : `failed, because ${problem.message}`}`],
    ['clones', clones.length === 0 ? undefined : clones.map(describeFigures).join('; ')],
    ['compared with', comparedWith ? `${comparedWith.golden}: ${describeFigures(comparedWith)}` : notCompared && `nothing: ${notCompared}`],
    ['unique', unique ? 'the clones told themselves apart' : undefined],
    ['smoke test', smoke && `passed in ${formatDuration(smoke.tookMs)}`],
  ];
}

function describeScan({ findings, scannedBytes }: z.infer<typeof Scan>): string {
  if (findings.length === 0) return `none found in ${formatBytes(scannedBytes)}`;
  return findings.map(({ kind, where, count }) => `${kind} in ${where} (${count})`).join(', ');
}

function describeFigures({ restoreMs, memoryBytes }: z.infer<typeof Figures>): string {
  return `ready in ${formatDuration(restoreMs)}, ${formatBytes(memoryBytes)}`;
}
