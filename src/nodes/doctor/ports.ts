import { createServer } from 'node:net';
import type { Config } from '#src/platform/config.ts';
import { isThawError } from '#src/platform/errors.ts';
import { type ListenAddress, type ListenSettings, listenAt } from '#src/platform/listen-at.ts';
import { findPortHolder } from '#src/platform/port-holder.ts';
import { type Condition, type Finding, fail, pass } from './finding.ts';

/** `isStarting`: a Thaw that holds a port is another one; else it may be this one, and all is well. */
export async function checkPorts({ host, port, agentListen }: Config, isStarting: boolean): Promise<Finding[]> {
  const api: Condition = { id: 'port', title: 'Port', cost: 'the API can not listen', fix: 'Set THAW_PORT to a free port.' };
  const findings = [await checkPort(api, { host, port }, { host: 'THAW_HOST', port: 'THAW_PORT' }, isStarting)];
  if (agentListen === undefined) return findings;
  const setting = 'THAW_AGENT_LISTEN';
  const agent: Condition = { id: 'agent_port', title: 'Agent port', cost: 'the node agent can not listen', fix: `Set ${setting}.` };
  return [...findings, await checkPort(agent, agentListen, { host: setting, port: setting }, isStarting)];
}

async function checkPort(condition: Condition, address: ListenAddress, settings: ListenSettings, isStarting: boolean): Promise<Finding> {
  const place = `${address.host}:${address.port}`;
  const server = createServer();
  try {
    await listenAt(server, address, settings);
    await new Promise((resolve) => server.close(resolve));
    return pass(condition, address.port === 0 ? `${address.host}, chosen by the kernel` : `${place} is free`);
  } catch (error) {
    if (!isThawError(error)) throw error;
    if (!isStarting && (await findPortHolder(address.port))?.isThaw) return pass(condition, `${place} is held by a running Thaw`);
    return fail({ ...condition, fix: error.fix ?? condition.fix }, error.message);
  }
}
