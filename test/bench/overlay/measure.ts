import { type Figure, quantile } from '../figures.ts';
import { paired } from './paired.ts';
import { type Peer, type Side, setOverlayStage, startPeers } from './stage.ts';
import { overlayStarts } from './starts.ts';
import { answerConnections, connectTimes, pingTimes, throughput } from './traffic.ts';

const TRAFFIC_ROUNDS = 20;
const IPERF_SECONDS = 1;
const PINGS = 300;
const CONNECTIONS = 300;

type Progress = (text: string) => void;
type PeersOf = Readonly<Record<Side, readonly [Peer, Peer]>>;

export const OVERLAY_PARTS = ['starts', 'traffic'] as const;

/** Overlay networks of two netd nodes against those of two Docker nodes, side by side in one swarm on one kernel. */
export async function measureOverlay(
  rounds: number,
  progress: Progress,
  parts: readonly (typeof OVERLAY_PARTS)[number][] = OVERLAY_PARTS,
): Promise<readonly Figure[]> {
  if (parts.length === 0) return [];
  progress('a manager, two netd workers and two Docker workers are being started');
  await using stage = await setOverlayStage();
  const hasStarts = parts.includes('starts');
  const figures = hasStarts ? [...(await overlayStarts(stage, 'a new', rounds, progress))] : [];
  const peers = await startPeers(stage);
  if (hasStarts) figures.push(...(await overlayStarts(stage, 'a known', rounds, progress)));
  if (parts.includes('traffic')) figures.push(...(await traffic(peers, progress)));
  return figures;
}

async function traffic(peers: PeersOf, progress: Progress): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const streams of [1, 8]) figures.push(await throughputs(peers, streams, progress));
  figures.push(...(await roundTrips('ping', peers, (from, to) => pingTimes(from, to, PINGS), progress)));
  await using _ours = await answerConnections(peers.ours[1]);
  await using _docker = await answerConnections(peers.docker[1]);
  const connect = (from: Peer, to: Peer) => connectTimes(from, to, CONNECTIONS);
  figures.push(...(await roundTrips('TCP connection and one byte', peers, connect, progress)));
  return figures;
}

async function throughputs(peers: PeersOf, streams: number, progress: Progress): Promise<Figure> {
  const name = `overlay throughput, ${streams} TCP stream${streams === 1 ? '' : 's'}`;
  const samples = await alternating(name, peers, (from, to) => throughput(from, to, streams, IPERF_SECONDS), progress);
  return paired({ name, ...samples, isMoreBetter: true, show: (bits) => `${(bits / 1e9).toFixed(2)} Gbit/s` });
}

async function roundTrips(
  what: string,
  peers: PeersOf,
  measure: (from: Peer, to: Peer) => Promise<readonly number[]>,
  progress: Progress,
): Promise<readonly Figure[]> {
  const samples = await alternating(`overlay round trip, ${what}`, peers, measure, progress);
  return [0.5, 0.95, 0.99].map((part) => {
    const at = (rounds: readonly (readonly number[])[]) => rounds.map((times) => quantile(times, part));
    const show = (ms: number) => `${(ms * 1000).toFixed(0)} µs`;
    const name = `overlay ${what}, p${part * 100}`;
    return paired({ name, ours: at(samples.ours), docker: at(samples.docker), show });
  });
}

/** Both sides in every round, the one first and then the other. */
async function alternating<T>(
  what: string,
  peers: PeersOf,
  measure: (from: Peer, to: Peer) => Promise<T>,
  progress: Progress,
): Promise<Record<Side, T[]>> {
  const samples: Record<Side, T[]> = { ours: [], docker: [] };
  for (let round = 0; round < TRAFFIC_ROUNDS; round++) {
    progress(`${what}: round ${round + 1} of ${TRAFFIC_ROUNDS}`);
    for (const side of round % 2 === 0 ? (['ours', 'docker'] as const) : (['docker', 'ours'] as const)) {
      const [first, second] = peers[side];
      samples[side].push(await measure(first, second));
    }
  }
  return samples;
}

if (import.meta.main) {
  const { figureLine } = await import('../figures.ts');
  const figures = await measureOverlay(Number(process.argv[2]) || 20, (text) => console.error(text));
  for (const figure of figures) console.log(figureLine(figure));
}
