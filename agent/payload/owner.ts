import { quoted } from '#agent/container/spec-error.ts';
import { PayloadError } from './payload-error.ts';

/** The largest id chown(2) takes: the one above means "leave it", and would leave root. */
const MAX_ID = 0xffff_fffe;

/**
 * A user or group id from its decimal text, in the container's numbering.
 *
 * @throws PayloadError in the words of Go's strconv.Atoi, which users see from Docker
 */
export function ownerId(text: string): number {
  const problem = (reason: string) => new PayloadError(`strconv.Atoi: parsing ${quoted(text)}: ${reason}`);
  if (!/^[+-]?[0-9]+$/.test(text)) throw problem('invalid syntax');
  const id = Number(text);
  if (id < 0 || id > MAX_ID) throw problem('value out of range');
  return id;
}
