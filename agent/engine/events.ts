import type { Readable } from 'node:stream';

/** Events of networks: a container, which their attribute `container` names, has come or is going. */
export const NETWORK_EVENTS: readonly string[] = ['connect', 'disconnect'];

/** What happened to a container, or to a network, as `GET /events` tells it. */
export interface EngineEvent {
  /** `start`, `die`, `oom`, `destroy`, `health_status: healthy`, …; one of NETWORK_EVENTS. */
  readonly action: string;
  /** Of the container, or of the network. */
  readonly subjectId: string;
  /** The container's labels, plus `name`, `image`, `exitCode`, … */
  readonly attributes: { readonly [key: string]: string };
}

/** Longest event taken, in characters: labels make events long, but one that never ends must not fill the memory. */
const LONGEST_EVENT = 4 * 1024 * 1024;

/** Splits the engine's stream (one JSON object a line) into events; lines that are none are passed over. */
export async function* parseEvents(stream: Readable): AsyncGenerator<EngineEvent, void, undefined> {
  stream.setEncoding('utf8');
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_EVENT) throw new Error(`an engine event is longer than ${LONGEST_EVENT} characters`);
    for (const line of lines) {
      const event = parseEvent(line);
      if (event) yield event;
    }
  }
}

export function parseEvent(line: string): EngineEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const event = value as {
    Action?: unknown;
    Actor?: { ID?: unknown; Attributes?: Record<string, string> } | null;
  } | null;
  if (typeof event?.Action !== 'string' || typeof event.Actor?.ID !== 'string') return undefined;
  return { action: event.Action, subjectId: event.Actor.ID, attributes: event.Actor.Attributes ?? {} };
}
