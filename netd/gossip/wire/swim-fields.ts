import { ipText } from './ip.ts';
import type { MsgpackReader } from './msgpack-read.ts';
import { MAX_U32 } from './swim-message.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Every field any SWIM struct has (spec gossip §6), read from one msgpack map. Missing keys keep their zero, the last of
 * a repeated key wins, unknown keys are passed over: as the reference decoder does.
 */
export class SwimFields {
  Addr: Buffer = EMPTY;
  Algo = 0;
  Buf: Buffer = EMPTY;
  Error = '';
  From = '';
  Incarnation = 0;
  Join = false;
  Meta: Buffer = EMPTY;
  Nack = false;
  Name = '';
  Node = '';
  Nodes = 0;
  Port = 0;
  SeqNo = 0;
  SourceAddr: Buffer = EMPTY;
  SourceNode = '';
  SourcePort = 0;
  State = 0;
  Target: Buffer = EMPTY;
  UserMsgLen = 0;
  UserStateLen = 0;
  Vsn: Buffer = EMPTY;

  constructor(reader: MsgpackReader) {
    const pairs = reader.mapHeader();
    for (let i = 0; i < pairs; i++) this.#read(reader.text(), reader);
  }

  /** Address in canonical text, undefined when it has a length no address has. */
  addr(): string | undefined {
    return ipText(this.Addr);
  }

  /** Widths from spec gossip §5.3. Go's `int` has 64 bits: beyond 2^53 is beyond every limit that follows. */
  #read(key: string, reader: MsgpackReader): void {
    switch (key) {
      case 'Addr':
        this.Addr = reader.raw();
        return;
      case 'Algo':
        this.Algo = reader.uint(0xff);
        return;
      case 'Buf':
        this.Buf = reader.raw();
        return;
      case 'Error':
        this.Error = reader.text();
        return;
      case 'From':
        this.From = reader.text();
        return;
      case 'Incarnation':
        this.Incarnation = reader.uint(MAX_U32);
        return;
      case 'Join':
        this.Join = reader.bool();
        return;
      case 'Meta':
        this.Meta = reader.raw();
        return;
      case 'Nack':
        this.Nack = reader.bool();
        return;
      case 'Name':
        this.Name = reader.text();
        return;
      case 'Node':
        this.Node = reader.text();
        return;
      case 'Nodes':
        this.Nodes = reader.uint(Number.MAX_SAFE_INTEGER);
        return;
      case 'Payload':
        reader.raw();
        return;
      case 'Port':
        this.Port = reader.uint(0xffff);
        return;
      case 'SeqNo':
        this.SeqNo = reader.uint(MAX_U32);
        return;
      case 'SourceAddr':
        this.SourceAddr = reader.raw();
        return;
      case 'SourceNode':
        this.SourceNode = reader.text();
        return;
      case 'SourcePort':
        this.SourcePort = reader.uint(0xffff);
        return;
      case 'State':
        this.State = reader.uint(Number.MAX_SAFE_INTEGER);
        return;
      case 'Target':
        this.Target = reader.raw();
        return;
      case 'UserMsgLen':
        this.UserMsgLen = reader.uint(Number.MAX_SAFE_INTEGER);
        return;
      case 'UserStateLen':
        this.UserStateLen = reader.uint(Number.MAX_SAFE_INTEGER);
        return;
      case 'Vsn':
        this.Vsn = reader.raw();
        return;
      default:
        reader.skip();
    }
  }
}
