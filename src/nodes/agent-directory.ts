import { systemClock } from '#src/platform/clock.ts';
import { isThawError } from '#src/platform/errors.ts';
import type { Redis } from '#src/platform/redis.ts';
import { type AgentClient, connectAgent } from './agent-client.ts';
import { requireNode } from './store.ts';
import { watchUnreachable } from './unreachable-nodes.ts';

/** The agents of all nodes, found by the addresses in their heartbeats. */
export interface AgentDirectory {
  /** Runs a call against a node's agent. Throws what the call throws, node_not_found or node_unreachable. */
  ask<T>(node: string, call: (agent: AgentClient) => Promise<T>): Promise<T>;
  close(): void;
}

interface Connection {
  readonly client: AgentClient;
  calls: number;
}

/**
 * Looks an address up once and again after a node did not answer: a claim does not wait for a look-up. A connection that was given up is
 * closed when its last call has ended: one slow bind cuts off no other.
 */
export function openAgentDirectory(redis: Redis, token?: string): AgentDirectory {
  const connections = new Map<string, Connection>();
  const connectionOf = async (node: string) => {
    const known = connections.get(node);
    if (known) return known;
    const { agent } = await requireNode(redis, node);
    const connection = connections.get(node) ?? { client: connectAgent(agent, token), calls: 0 }; // another call may have connected meanwhile
    connections.set(node, connection);
    return connection;
  };
  const ask: AgentDirectory['ask'] = async (node, call) => {
    const connection = await connectionOf(node);
    connection.calls++;
    try {
      return await call(connection.client);
    } catch (error) {
      if (isThawError(error, 'node_unreachable') && connections.get(node) === connection) connections.delete(node);
      throw error;
    } finally {
      connection.calls--;
      if (connection.calls === 0 && connections.get(node) !== connection) connection.client.close();
    }
  };
  const unreachable = watchUnreachable(redis, systemClock, (node) => ask(node, (agent) => agent.ping()));
  return {
    ask: (node, call) =>
      ask(node, call).catch((error: unknown) => {
        if (isThawError(error, 'node_unreachable')) unreachable.suspect(node);
        throw error;
      }),
    close: () => {
      unreachable.close();
      for (const { client } of connections.values()) client.close();
    },
  };
}
