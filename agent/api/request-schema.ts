import * as z from 'zod/mini';
import type { JoinRequest, LeaveRequest, LookupRequest, PathRequest } from './control.ts';
import { AVAILABILITIES } from './view.ts';

// What may be asked of the local API, as schemas: the agent's side. Those of its answers (schema.ts) are many times as large,
// and only clients check answers, so a running agent should not hold them.

type Schema<T> = z.ZodMiniType<T>;

/** A swarm has seven managers at most in practice; a token has under 100 characters, an address under 270. */
const short = z.string().check(z.minLength(1), z.maxLength(300));

export const joinRequestSchema = z.strictObject({
  token: short,
  addresses: z.array(short).check(z.minLength(1), z.maxLength(32)),
  advertiseAddr: z.nullable(short),
  dataPathAddr: z.nullable(short),
  availability: z.enum(AVAILABILITIES),
  force: z.boolean(),
}) satisfies Schema<JoinRequest>;

export const leaveRequestSchema = z.strictObject({ force: z.boolean() }) satisfies Schema<LeaveRequest>;

/** A DNS name has 255 bytes, an id 64 digits; printed names of tasks have both. */
const word = z.string().check(z.minLength(1), z.maxLength(400));

export const lookupRequestSchema = z.strictObject({
  container: word,
  name: word,
  type: word,
}) satisfies Schema<LookupRequest>;

export const pathRequestSchema = z.strictObject({ from: word, to: word }) satisfies Schema<PathRequest>;
