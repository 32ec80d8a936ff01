import { z } from '@hono/zod-openapi';
import type { AgentDirectory } from '#src/nodes/agent-directory.ts';
import type { Node } from '#src/nodes/node.ts';
import { listNodes } from '#src/nodes/store.ts';
import type { Clock } from '#src/platform/clock.ts';
import { messageOf } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';

export interface ReadinessDeps {
  readonly redis: Redis;
  readonly agents: Pick<AgentDirectory, 'ask'>;
  readonly clock: Clock;
}

export const Readiness = z
  .object({
    ready: z.boolean(),
    problems: z.array(z.string()).openapi({ description: 'Why it is not ready' }),
    warnings: z.array(z.string()).openapi({ description: 'What is put up with, e.g. a Redis that may lose answered claims' }),
  })
  .openapi('Readiness');
export type Readiness = z.infer<typeof Readiness>;

/** Anyone may ask whether the service is ready, as often as they like; the agents are asked this often. */
const agentsAskedEveryMs = 1000;

/** Answers whether claims can be served: Redis answers, and so does the agent of a node whose instances may be claimed. */
export function openReadiness(deps: ReadinessDeps): () => Promise<Readiness> {
  const doesAgentAnswer = rememberAnswers(deps);
  return async () => {
    try {
      const [warnings, nodes] = await Promise.all([durabilityWarnings(deps.redis), listNodes(deps.redis)]);
      const complaints = await Promise.all(nodes.map((node) => complainOfNode(node, doesAgentAnswer)));
      const told = complaints.filter((complaint) => complaint !== undefined);
      if (told.length < nodes.length) return { ready: true, problems: [], warnings: [...warnings, ...told] };
      const problem = nodes.length === 0 ? 'no node has reported; start a worker' : `no node can serve claims: ${told.join(', ')}`;
      return { ready: false, problems: [problem], warnings };
    } catch (error) {
      return { ready: false, problems: [`Redis: ${messageOf(error)}`], warnings: [] };
    }
  };
}

/** A cordoned node gets nothing new, but what is warm on it can be claimed. */
async function complainOfNode(node: Node, doesAgentAnswer: (node: string) => Promise<boolean>): Promise<string | undefined> {
  if (!node.fit) return `${node.name} is not fit: ${node.problems.join('; ')}`;
  if (node.state !== 'ready' && node.state !== 'cordoned') return `${node.name} is ${node.state}`;
  return (await doesAgentAnswer(node.name)) ? undefined : `the agent of ${node.name} does not answer`;
}

function rememberAnswers({ agents, clock }: ReadinessDeps): (node: string) => Promise<boolean> {
  const asked = new Map<string, { readonly atMs: number; readonly answer: Promise<boolean> }>();
  return (node) => {
    const last = asked.get(node);
    if (last && clock.nowMs() - last.atMs < agentsAskedEveryMs) return last.answer;
    const answer = agents
      .ask(node, (agent) => agent.ping())
      .then(
        () => true,
        () => false,
      );
    asked.set(node, { atMs: clock.nowMs(), answer });
    return answer;
  };
}

/** Law 2 needs a Redis that has written what it answered. */
async function durabilityWarnings(redis: Redis): Promise<string[]> {
  const wanted = { appendonly: 'yes', appendfsync: 'always' };
  const answers = await Promise.all(
    Object.entries(wanted).map(async ([setting, value]) => {
      const [, found] = z.array(z.string()).parse(await redis.call('CONFIG', 'GET', setting).catch(() => [])); // refused by managed servers
      return found === value ? [] : `Redis has ${setting} ${found ?? 'unknown'}, not ${value}: a crash of it may lose answered claims`;
    }),
  );
  return answers.flat();
}
