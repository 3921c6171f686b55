import { type Figure, quantile, ratio } from '../figures.ts';
import { createService, removeService } from '../services.ts';
import { paired } from './paired.ts';
import { OVERLAY, type OverlayStage, type Side } from './stage.ts';

const WARM_UP = 2;

/**
 * `docker service create` to RUNNING of one task on an overlay network, the two workers in turn.
 *
 * @param what whether the node has the network already, for another task
 */
export async function overlayStarts(
  { manager, nodes }: OverlayStage,
  what: 'a new' | 'a known',
  rounds: number,
  progress: (text: string) => void,
): Promise<readonly Figure[]> {
  const samples: Record<Side, number[]> = { ours: [], docker: [] };
  for (let round = -WARM_UP; round < rounds; round++) {
    progress(`task start on ${what} overlay network: round ${round + WARM_UP + 1} of ${rounds + WARM_UP}`);
    for (const side of round % 2 === 0 ? (['ours', 'docker'] as const) : (['docker', 'ours'] as const)) {
      const [host] = nodes[side];
      const ms = await createService(manager, 'one', host, 1, OVERLAY);
      if (round >= 0) samples[side].push(ms);
      await removeService(manager, 'one', host);
    }
  }
  const name = `task start on ${what} overlay network`;
  return [
    paired({ name: `${name}, median`, ...samples, show: (ms) => `${ms.toFixed(0)} ms` }),
    ratio(`${name}, p95`, quantile(samples.ours, 0.95), quantile(samples.docker, 0.95), 1.1),
  ];
}
