import { isThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type AgentClient, connectAgent } from './agent-client.ts';
import { requireNode } from './store.ts';

/** The agents of all nodes, found by the addresses in their heartbeats. */
export interface AgentDirectory {
  /** Runs a call against a node's agent. Throws what the call throws, node_not_found or node_unreachable. */
  ask<T>(node: string, call: (agent: AgentClient) => Promise<T>): Promise<T>;
  close(): void;
}

/** Looks an address up once and again after a node did not answer: a claim does not wait for a look-up. */
export function openAgentDirectory(redis: Redis, token?: string): AgentDirectory {
  const clients = new Map<string, AgentClient>();
  const clientOf = async (node: string) => {
    const known = clients.get(node);
    if (known) return known;
    const { agent } = await requireNode(redis, node);
    const client = clients.get(node) ?? connectAgent(agent, token); // another call may have connected meanwhile
    clients.set(node, client);
    return client;
  };
  return {
    async ask(node, call) {
      const client = await clientOf(node);
      try {
        return await call(client);
      } catch (error) {
        if (isThawError(error, 'node_unreachable') && clients.get(node) === client) clients.delete(node);
        throw error;
      }
    },
    close: () => {
      for (const client of clients.values()) client.close();
    },
  };
}
