import * as z from 'zod/mini';
import { errorText } from '#base/errors.ts';
import type { LogLevel } from '#base/log.ts';
import { type HostPort, parseHostPort } from '#pki/address.ts';
import { type GenericResource, parseGenericResources } from './generic-resources.ts';

/** Linux takes 107 bytes of path for a unix socket (unix(7), sun_path); the names netd gives sockets have at most 27. */
const MAX_DIRECTORY_BYTES = 80;

/** The label namespaces Docker keeps for itself. */
const RESERVED_LABELS = ['com.docker.', 'io.docker.', 'org.dockerproject.'];
const MAX_LABELS = 1_000;

/** An absolute path in plain form. `/` is refused: what netd may wipe or chmod has a directory of its own. */
export const directory = z.pipe(
  z.string(),
  checked((text: string) => {
    if (!text.startsWith('/')) throw new Error('the path is not absolute');
    const path = text.replace(/\/+/g, '/').replace(/(.)\/$/, '$1');
    if (path === '/') throw new Error('the root directory cannot be used');
    if (path.split('/').some((part) => part === '.' || part === '..')) throw new Error('"." and ".." are not allowed');
    if (Buffer.byteLength(path) > MAX_DIRECTORY_BYTES) throw new Error('the path is too long for a unix socket in it');
    return path;
  }),
);

/** `unix:///path` or `tcp://host:port`, as DOCKER_HOST has it. */
export const engineAddress = z.pipe(
  z.string(),
  checked((text: string) => {
    if (/^unix:\/\/\/./.test(text)) return text;
    const tcp = /^tcp:\/\/(.+?)\/?$/.exec(text);
    if (tcp?.[1] !== undefined) {
      parseHostPort(tcp[1]);
      return `tcp://${tcp[1]}`;
    }
    if (text.startsWith('/')) throw new Error(`a socket is written unix://${text}`);
    throw new Error('this kind of address is not supported');
  }),
);

/** `HOST:PORT`, or empty for none. */
export const listenAddress = z.pipe(
  z.string(),
  checked((text: string): HostPort | null => (text === '' ? null : parseHostPort(text))),
);

/** Listed again, and held to the type: a command line should not load the logger for four words. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const satisfies readonly LogLevel[];
export const logLevel = z.enum(LOG_LEVELS);

/** A list of `KIND=VALUE`; one text may hold several, separated by commas (so an environment variable can say it all). */
export const genericResources = z.pipe(
  z.union([z.string(), z.array(z.string())]),
  checked((value: string | string[]): readonly GenericResource[] => parseGenericResources(listOf(value))),
);

/** Engine labels: `KEY=VALUE` texts, or a mapping. */
export const labels = z.pipe(
  z.union([
    z.string(),
    z.array(z.string()),
    z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
  ]),
  checked(
    (value: string | string[] | Record<string, string | number | boolean | null>): Readonly<Record<string, string>> => {
      const pairs =
        typeof value === 'string' || Array.isArray(value)
          ? listOf(value).map(splitLabel)
          : Object.entries(value).map(([name, text]): [string, string] => [name, String(text ?? '')]);
      return labelsFrom(pairs);
    },
  ),
);

function labelsFrom(pairs: readonly (readonly [string, string])[]): Readonly<Record<string, string>> {
  if (pairs.length > MAX_LABELS) throw new Error(`more than ${MAX_LABELS} labels`);
  const byName = new Map<string, string>();
  for (const [name, text] of pairs) {
    if (name === '' || /\s/.test(name)) throw new Error(`"${name}" is not a label name`);
    if (RESERVED_LABELS.some((prefix) => name.startsWith(prefix))) throw new Error(`"${name}" is reserved by Docker`);
    if (byName.has(name) && byName.get(name) !== text)
      throw new Error(`"${name}" is given twice with different values`);
    byName.set(name, text);
  }
  return Object.freeze(Object.fromEntries([...byName].sort(([a], [b]) => (a < b ? -1 : 1))));
}

function splitLabel(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 0) throw new Error(`"${text}" is not KEY=VALUE`);
  return [text.slice(0, at).trim(), text.slice(at + 1)];
}

function listOf(value: string | readonly string[]): readonly string[] {
  if (typeof value !== 'string') return value;
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** A step that may refuse: what `read` throws becomes the issue's text. */
function checked<In, Out>(read: (value: In) => Out) {
  return z.transform((value: In, context): Out => {
    try {
      return read(value);
    } catch (error) {
      context.issues.push({ code: 'custom', message: errorText(error), input: value });
      return z.NEVER;
    }
  });
}
