import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';

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
  const id = await eventually(`${host.name} runs its task of ${serviceId}`, async () => {
    const filter = `label=com.docker.swarm.service.id=${serviceId}`;
    return (await host.docker('ps', '--quiet', '--no-trunc', '--filter', filter)) || undefined;
  });
  return engineCall(host, 'GET', `/containers/${id}/json`);
}

/** One call of a host's engine, without a version: at the newest it has. */
export async function engineCall(host: Host, method: 'GET' | 'POST', path: string, body?: Json): Promise<Json> {
  const data = body === undefined ? [] : ['--header', 'Content-Type: application/json', '--data-binary', '@-'];
  const argv = ['curl', '--silent', '--show-error', '--unix-socket', '/run/docker.sock', '--request', method];
  const input = body === undefined ? {} : { input: JSON.stringify(body) };
  return JSON.parse(await host.run([...argv, ...data, `http://engine${path}`], input)) as Json;
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
