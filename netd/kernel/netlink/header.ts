import { type Message, NetlinkDecodeError, needBytes, readAttributes, stringOf } from './message-reader.ts';

/** linux/netlink.h: what all families share. */

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLMSG_OVERRUN = 4;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
/** The tables changed while the dump was made: it may lack rows that were there all the time. */
export const NLM_F_DUMP_INTR = 0x10;
/** In an error: the message it answers was left out. */
export const NLM_F_CAPPED = 0x100;
/** In an error: attributes that explain it follow. */
export const NLM_F_ACK_TLVS = 0x200;

/** NLM_F_ROOT | NLM_F_MATCH */
export const NLM_F_DUMP = 0x300;

export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;

/** Flags of the usual requests. Acknowledgements are asked for where the request is sent, if it needs one. */
export const ADD = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
export const REPLACE = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_REPLACE;
export const REQUEST = NLM_F_REQUEST;
export const DUMP = NLM_F_REQUEST | NLM_F_DUMP;

const NLMSGERR_ATTR_MSG = 1;

/** Of an NLMSG_ERROR or NLMSG_DONE message. */
export interface Answer {
  /** A positive errno; 0 is an acknowledgement. */
  readonly errno: number;
  /** In the kernel's own words, where it has some. */
  readonly text: string;
}

/**
 * An error or acknowledgement: i32 -errno, the header of the message it answers and, unless it was capped, that message;
 * then attributes.
 *
 * @throws NetlinkDecodeError
 */
export function readAnswer(message: Message): Answer {
  const { bytes, start, end, flags, type } = message;
  // The kernel ends some dumps without a status.
  if (type === NLMSG_DONE && end - start < 4) return { errno: 0, text: '' };
  needBytes(message, 4, 'nlmsgerr');
  const errno = 0 - bytes.readInt32LE(start);
  if (errno < 0) throw new NetlinkDecodeError(`an answer with status ${-errno}`, start);
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, text: '' };
  let text = '';
  readAttributes(bytes, attributesStart(message), end, (attribute, at, length) => {
    if (attribute === NLMSGERR_ATTR_MSG) text = stringOf(bytes, at, length);
  });
  return { errno, text };
}

function attributesStart(message: Message): number {
  const { bytes, start, end, flags, type } = message;
  if (type === NLMSG_DONE) return start + 4;
  needBytes(message, 20, 'nlmsgerr');
  if ((flags & NLM_F_CAPPED) !== 0) return start + 20;
  const echoed = bytes.readUInt32LE(start + 4);
  if (echoed < 16 || echoed > end - start - 4)
    throw new NetlinkDecodeError('an answer to a message cut short', start + 4);
  return start + 4 + ((echoed + 3) & ~3);
}
