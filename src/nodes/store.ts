import { z } from 'zod';
import { ThawError } from '#src/platform/errors.ts';
import { hashFields, jsonField } from '#src/platform/hash-field.ts';
import { loadLuaScript } from '#src/platform/lua-script.ts';
import { keyPrefix, type Redis, redisTimeMs } from '#src/platform/redis.ts';
import { Node, type NodeState } from './node.ts';

export type Heartbeat = Omit<Node, 'state' | 'at'>;

const beatScript = loadLuaScript(import.meta.url, './lua/beat.lua');
const tellScript = loadLuaScript(import.meta.url, './lua/tell-node-states.lua');

const nodeKey = (name: string) => `${keyPrefix}node:${name}`;
const listKey = `${keyPrefix}nodes`;

/** Heartbeats come every 2 s: this many ms without one and nothing new is placed there, or it counts as gone. */
const suspectAfterMs = 10_000;
const goneAfterMs = 60_000;

export async function writeHeartbeat(redis: Redis, heartbeat: Heartbeat): Promise<void> {
  const { fit, ...rest } = heartbeat;
  await beatScript.run(
    redis,
    [nodeKey(heartbeat.name), listKey],
    [keyPrefix, heartbeat.name, ...hashFields({ ...rest, fit: fit ? 1 : 0 })],
  );
}

export async function getNode(redis: Redis, name: string): Promise<Node | undefined> {
  const [hash, now] = await Promise.all([redis.hgetall(nodeKey(name)), redisTimeMs(redis)]);
  return parseNode(hash, now);
}

/** Throws node_not_found. */
export async function requireNode(redis: Redis, name: string): Promise<Node> {
  const node = await getNode(redis, name);
  if (node) return node;
  throw new ThawError('node_not_found', `there is no node "${name}"`, { fix: 'List them with GET /v1/nodes.' });
}

/** By name. */
export async function listNodes(redis: Redis): Promise<Node[]> {
  const names = (await redis.smembers(listKey)).sort();
  const nodes = await Promise.all(names.map((name) => getNode(redis, name)));
  return nodes.filter((node) => node !== undefined);
}

/** The ready node with the most free memory. Throws no_node with the reason of each. */
export async function pickNode(redis: Redis): Promise<Node> {
  const nodes = await listNodes(redis);
  const usable = nodes.filter((node) => node.state === 'ready' && node.fit);
  const [best] = usable.toSorted((a, b) => b.capacity.memoryFreeBytes - a.capacity.memoryFreeBytes);
  if (best) return best;
  const reasons = nodes.map((node) => `${node.name} is ${node.state === 'ready' ? `not fit (${node.problems.join('; ')})` : node.state}`);
  throw new ThawError('no_node', reasons.length > 0 ? `no node can take the work: ${reasons.join(', ')}` : 'no node has reported yet', {
    fix: 'Start a worker with `thaw up` or `thaw worker`; `thaw doctor` on the node tells what it lacks.',
    retryAfterMs: 5000,
  });
}

/** A cordoned node gets nothing new and keeps what it has. Throws node_not_found. */
export async function setCordoned(redis: Redis, name: string, cordoned: boolean): Promise<Node> {
  await requireNode(redis, name);
  await redis.hset(nodeKey(name), 'cordoned', cordoned ? 1 : 0);
  await tellNodeStates(redis);
  return requireNode(redis, name);
}

/** Writes an event for each node whose state is another than was told last: no transition writes that a node went silent. */
export async function tellNodeStates(redis: Redis): Promise<void> {
  await tellScript.run(redis, [listKey], [keyPrefix, suspectAfterMs, goneAfterMs]);
}

const Flag = z.enum(['0', '1']).transform((flag) => flag === '1');
const NodeHash = z.object({
  ...Node.omit({ state: true }).shape,
  fit: Flag,
  cordoned: Flag.default(false),
  problems: jsonField(Node.shape.problems),
  capacity: jsonField(Node.shape.capacity),
  fingerprint: jsonField(Node.shape.fingerprint),
  at: z.coerce.number(),
});

function parseNode(hash: Readonly<Record<string, string>>, now: number): Node | undefined {
  if (!('name' in hash)) return undefined;
  const { cordoned, ...node } = NodeHash.parse(hash);
  return { ...node, state: stateOf(cordoned, now - node.at) };
}

function stateOf(cordoned: boolean, silentMs: number): NodeState {
  if (silentMs > goneAfterMs) return 'gone';
  if (silentMs > suspectAfterMs) return 'suspected';
  return cordoned ? 'cordoned' : 'ready';
}
