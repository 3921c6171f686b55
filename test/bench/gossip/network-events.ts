import { uniformInt } from '#base/random.ts';
import { settledWorld } from '#test/sim/settled.ts';

/** Apart enough that a round has room for all of them, as in a cluster that is not being rebuilt. */
const EVERY_MS = 60;
/** Events between two words about how far it is. */
const TELL_EVERY = 10_000;
/** An event that is not everywhere after this long needs anti-entropy. */
const GIVEN_MS = 6000;

/**
 * How many of so many attachments and detachments do not reach every node by gossip alone. These travel as broadcasts,
 * of which each copy goes to one node: where the reference loses most.
 */
export function missedNetworkEvents(
  seed: number,
  nodes: number,
  events: number,
  progress: (text: string) => void = () => undefined,
): number {
  const world = settledWorld(seed, nodes, 0);
  world.wires.streams = false;
  const networks = Array.from({ length: Math.ceil((2 * GIVEN_MS) / EVERY_MS / nodes) + 1 }, (_, i) =>
    `net${i}x`.padEnd(25, '0'),
  );
  const turns = networks.flatMap((network) => world.nodes.map((node) => ({ node, network, attached: false })));
  let missed = 0;
  for (let event = 0; event < events + turns.length; event++) {
    const turn = turns[event % turns.length];
    if (turn === undefined) break;
    const { node, network } = turn;
    const { name } = node.core.config;
    // Its last event had a whole round through all others to arrive.
    if (event >= turns.length) {
      const everywhere = world.nodes.every(
        (other) => other === node || (other.core.db.state.rosters.get(network)?.has(name) ?? false) === turn.attached,
      );
      if (!everywhere) missed++;
    }
    turn.attached = !turn.attached;
    world.input(node, { kind: turn.attached ? 'attach' : 'detach', network });
    world.run(EVERY_MS * (0.5 + uniformInt(world.random, 0, 1000) / 1000));
    if ((event + 1) % TELL_EVERY === 0) progress(`${event + 1} events, ${missed} missed`);
  }
  return missed;
}
