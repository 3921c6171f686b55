import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import type { Host } from '#test/hosts/host.ts';
import { patiently } from './patiently.ts';

/** JSON as an engine answers it. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Creates a service from the body of POST /services/create, which can say more than the command line. */
export async function createService(manager: Host, spec: Json): Promise<string> {
  const answer = await engineCall(manager, 'POST', '/services/create', spec);
  if (!isObject(answer) || typeof answer.ID !== 'string') throw new Error(`service not created: ${text(answer)}`);
  return answer.ID;
}

/** The inspection of the one running container that a host has for a service. */
export async function runningContainer(host: Host, serviceId: string): Promise<Json> {
  const id = await patiently(`${host.name} runs its task of ${serviceId}`, async () => {
    const filters = { label: [`com.docker.swarm.service.id=${serviceId}`] };
    return (await host.engine.api().listContainers({ filters }))[0]?.Id;
  });
  return engineCall(host, 'GET', `/containers/${id}/json`);
}

/** One call of a host's engine, without a version: at the newest it has. The answer may be that of a refusal. */
export async function engineCall(host: Host, method: 'GET' | 'POST', path: string, body?: Json): Promise<Json> {
  const headers = { host: 'engine', ...(body !== undefined && { 'content-type': 'application/json' }) };
  const call = request({ socketPath: host.engine.socketPath, method, path, headers });
  call.end(body === undefined ? undefined : JSON.stringify(body));
  const [response]: IncomingMessage[] = await once(call, 'response');
  if (response === undefined) throw new Error(`no answer from the engine of ${host.name}`);
  return (await json(response)) as Json;
}

export function isObject(value: Json | undefined): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The member at a path of names, `undefined` when there is none. */
export function member(value: Json, ...path: readonly string[]): Json | undefined {
  return path.reduce<Json | undefined>((at, name) => (isObject(at) ? at[name] : undefined), value);
}

function text(value: Json): string {
  return JSON.stringify(value);
}
