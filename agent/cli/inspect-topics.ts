import type { Answer, ApiClient } from '#agent/api/client.ts';
import { NetdError } from '#base/errors.ts';
import { EXIT, type ExitStatus } from './exit.ts';
import { printable, type Screen } from './text.ts';

export interface Topic {
  readonly help: string;
  /** Words it takes: `[THIS]` if it can do without, `<THIS>` if not. None if left out. */
  readonly usage?: string;
  /** Asks the agent; gives the document as it came and a way to draw it. */
  readonly ask: (client: ApiClient, words: readonly string[]) => Promise<Asked>;
}

export interface Asked {
  readonly raw: unknown;
  readonly draw: (screen: Screen, all: boolean) => Promise<string>;
  /** 0 if left out. */
  readonly status?: ExitStatus;
}

/** Everything there is to inspect, by name. */
export const TOPICS: Readonly<Record<string, Topic>> = {
  node: {
    help: 'how the swarm knows this node; managers, engine, agent',
    ask: async (client) => {
      const { raw, document } = await client.node();
      return {
        raw,
        draw: async (screen) => (await import('./node-screen.ts')).nodeScreen(printable(document), screen),
      };
    },
  },
  tasks: {
    help: 'the tasks assigned to this node, and what went wrong with them',
    ask: async (client) => {
      const { raw, document } = await client.tasks();
      return {
        raw,
        draw: async (screen) => (await import('./tasks-screen.ts')).tasksScreen(printable(document), screen),
      };
    },
  },
  networks: {
    help: 'overlay networks: links, containers, other hosts, rows',
    usage: '[NAME]',
    ask: async (client, [name]) => {
      const { raw, document } = name === undefined ? await client.networks() : await oneNetwork(client, name);
      return {
        raw,
        draw: async (screen, all) =>
          (await import('./networks-screen.ts')).networksScreen(printable(document), screen, all),
      };
    },
  },
  gossip: {
    help: 'this node among the others: peers, networks, rows, queues, keys',
    ask: async (client) => {
      const { raw, document } = await client.gossip();
      return {
        raw,
        draw: async (screen, all) =>
          (await import('./gossip-screen.ts')).gossipScreen(printable(document), screen, all),
      };
    },
  },
  dns: {
    help: 'resolvers of the containers, or how one name is answered',
    usage: '[CONTAINER [NAME [TYPE]]]',
    ask: async (client, [container, name, type = 'A']) => {
      if (container !== undefined && name !== undefined) {
        const { raw, document } = await client.lookup({ container, name, type });
        return {
          raw,
          draw: async (screen) => (await import('./dns-screen.ts')).lookupScreen(printable(document), screen),
        };
      }
      const { raw, document } = container === undefined ? await client.dns() : await oneContainer(client, container);
      return {
        raw,
        draw: async (screen, all) => (await import('./dns-screen.ts')).dnsScreen(printable(document), screen, all),
      };
    },
  },
  drift: {
    help: 'what differs in the kernel from what should be, what was mended',
    ask: async (client) => {
      const { raw, document } = await client.drift();
      return {
        raw,
        draw: async (screen, all) => (await import('./drift-screen.ts')).driftScreen(printable(document), screen, all),
      };
    },
  },
  path: {
    help: 'every hop from a container here to a name or an address',
    usage: '<FROM> <TO>',
    ask: async (client, [from = '', to = '']) => {
      const { raw, document } = await client.path({ from, to });
      return {
        raw,
        status: document.fault === null ? EXIT.ok : EXIT.degraded,
        draw: async (screen) => (await import('./path-screen.ts')).pathScreen(printable(document), screen),
      };
    },
  },
  certs: {
    help: 'certificate, renewal, trusted roots',
    ask: async (client) => {
      const { raw, document } = await client.certs();
      return {
        raw,
        draw: async (screen) => (await import('./certs-screen.ts')).certsScreen(printable(document), screen),
      };
    },
  },
};

/** @throws NetdError `no-such-network` */
async function oneNetwork(client: ApiClient, name: string) {
  const { raw, document } = await client.networks();
  const { networks } = document;
  const keep = networks.map((network) => network.name === name || network.id === name);
  if (!keep.includes(true)) {
    throw new NetdError('no-such-network', `no overlay network of this host is called ${name}`, {
      mend: thereAre(networks.map((one) => one.name)),
    });
  }
  return filtered({ raw, document: { ...document, networks: networks.filter((_, i) => keep[i]) } }, 'networks', keep);
}

/** The container is found by the agent, which knows its ids too. @throws NetdError `no-such-container` */
async function oneContainer(client: ApiClient, asked: string) {
  const [{ raw, document }, { document: found }] = await Promise.all([
    client.dns(),
    client.lookup({ container: asked, name: 'localhost', type: 'A' }),
  ]);
  const keep = document.containers.map(({ container }) => container === found.container);
  const containers = document.containers.filter((_, i) => keep[i]);
  return filtered({ raw, document: { ...document, containers } }, 'containers', keep);
}

/** Leaves out of the answer as it came what is left out of the document. */
function filtered<T>({ raw, document }: Answer<T>, list: string, keep: readonly boolean[]): Answer<T> {
  const whole: Readonly<Record<string, unknown>> = typeof raw === 'object' ? { ...raw } : {};
  const items = whole[list];
  return { document, raw: { ...whole, [list]: Array.isArray(items) ? items.filter((_, i) => keep[i]) : items } };
}

function thereAre(names: readonly string[]): string {
  return names.length === 0 ? 'There are none now.' : `There are ${names.join(', ')}.`;
}
