import { existsSync, readFileSync } from 'node:fs';
import { eventually } from '#test/hosts/eventually.ts';
import type { Host } from '#test/hosts/host.ts';
import type { HostProcess } from '#test/hosts/host-process.ts';
import { type Frame, readFrame } from './frame.ts';

export interface CaptureOptions {
  /** `eth0`, the underlay, unless given. */
  readonly link?: string;
  /** UDP port that carries VXLAN; 4789 unless given. */
  readonly port?: number;
  /** Waits until it is so: frames are seen a while after they were. Frames come in order. */
  readonly until?: (frames: readonly Frame[]) => boolean;
}

/** pcap-savefile(5): magic of microseconds in the byte order of this machine, header of the file and of each packet. */
const PCAP_MAGIC = 0xa1b2c3d4;
const FILE_HEADER_BYTES = 24;
const PACKET_HEADER_BYTES = 16;

let captures = 0;

/** Sees the frames of a host's link while `during` runs, and gives them. @param filter pcap-filter(7) */
export async function capture(
  host: Host,
  filter: string,
  during: () => Promise<unknown>,
  { link = 'eth0', port = 4789, until = () => true }: CaptureOptions = {},
): Promise<readonly Frame[]> {
  captures++;
  const file = `/tmp/capture-${captures}.pcap`;
  const path = host.path(file);
  const argv = ['tcpdump', '--immediate-mode', '-U', '-n', '-Z', 'root', '-i', link, '-w', file, filter];
  const tcpdump = await host.spawn(`capture-${captures}`, argv);
  try {
    // The header of the file is written when the socket is open.
    await listens(tcpdump, path);
    await during();
    await eventually('tcpdump sees it', () => until(readCapture(path, port)));
  } finally {
    await tcpdump.stop();
  }
  return readCapture(path, port);
}

function readCapture(path: string, port: number): readonly Frame[] {
  return readPcap(readFileSync(path)).map((bytes) => readFrame(bytes, port));
}

async function listens(tcpdump: HostProcess, path: string): Promise<void> {
  await eventually('tcpdump listens', () => {
    if (!tcpdump.running) throw new Error(tcpdump.logTail());
    return existsSync(path) && readFileSync(path).length >= FILE_HEADER_BYTES;
  });
}

function readPcap(file: Buffer): Buffer[] {
  if (file.readUInt32LE(0) !== PCAP_MAGIC) throw new Error('not a capture of this machine');
  const packets: Buffer[] = [];
  for (let at = FILE_HEADER_BYTES; at + PACKET_HEADER_BYTES <= file.length; ) {
    const length = file.readUInt32LE(at + 8);
    at += PACKET_HEADER_BYTES;
    // The last one may be just being written.
    if (at + length > file.length) break;
    packets.push(file.subarray(at, at + length));
    at += length;
  }
  return packets;
}
