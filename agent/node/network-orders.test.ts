import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { GOSSIP_SUBSYSTEM, IPSEC_SUBSYSTEM } from '#netd/gossip/keys/keyring.ts';
import { type SessionMessage, SessionMessageSchema } from '#proto/gen/swarmkit/dispatcher_pb.js';
import { NO_ORDERS, networkOrders } from './network-orders.ts';

/** A list as a manager sends it after `turns` rotations of a counter that began at 100. */
function keys(turns: number) {
  return [GOSSIP_SUBSYSTEM, IPSEC_SUBSYSTEM].flatMap((subsystem, at) =>
    [0, 1, 2].map((age) => {
      const tag = 100 + 10 * (turns + age) + at;
      return { subsystem, key: Buffer.alloc(16, tag), lamportTime: BigInt(tag) };
    }),
  );
}

function message(init: {
  readonly turns?: number;
  readonly managers?: readonly string[];
  readonly seenAt?: string;
  readonly port?: number;
}): SessionMessage {
  return create(SessionMessageSchema, {
    sessionId: 's',
    networkBootstrapKeys: init.turns === undefined ? [] : keys(init.turns),
    managers: (init.managers ?? []).map((addr) => ({ peer: { nodeId: 'm', addr }, weight: 10n })),
    ...(init.seenAt === undefined ? {} : { node: { status: { addr: init.seenAt }, vxlanUdpPort: init.port ?? 0 } }),
  });
}

describe('network orders', () => {
  it('are keys, managers, our address and the port of the data path', () => {
    const managers = ['10.0.0.2:2377', '10.0.0.1:2377', '[fd00::1]:2377', 'manager.example:2377', '', '10.0.0.2:9999'];
    const orders = networkOrders(NO_ORDERS, message({ turns: 0, managers, seenAt: '10.0.0.9', port: 7789 }));
    expect(orders.managers).toEqual(['10.0.0.1', '10.0.0.2', 'fd00::1']);
    expect(orders.seenAt).toBe('10.0.0.9');
    expect(orders.vxlanUdpPort).toBe(7789);
    expect(orders.keys?.gossip.tags).toEqual([110n, 100n, 120n]);
    expect(orders.keys?.ipsec?.primary.lamportTime).toBe(111n);
  });

  it('stay as they were where a message says nothing', () => {
    const orders = networkOrders(NO_ORDERS, message({ turns: 0, managers: ['10.0.0.1:2377'], seenAt: '10.0.0.9' }));
    expect(networkOrders(orders, message({}))).toEqual(orders);
    expect(networkOrders(orders, message({ turns: 0 })).keys).toBe(orders.keys);
  });

  it('follow a rotation, and several at once, but not back', () => {
    const first = networkOrders(NO_ORDERS, message({ turns: 0 }));
    const second = networkOrders(first, message({ turns: 1 }));
    expect(second.keys?.gossip.tags).toEqual([120n, 110n, 130n]);
    const fifth = networkOrders(second, message({ turns: 5 }));
    expect(fifth.keys?.gossip.tags).toEqual([160n, 150n, 170n]);
    // A list that has only keys known already is of before.
    const lagging = message({ turns: 5 });
    lagging.networkBootstrapKeys = lagging.networkBootstrapKeys.slice(0, 2);
    expect(networkOrders(fifth, lagging).keys).toBe(fifth.keys);
  });

  it('refuse a list that makes no sense as a whole', () => {
    const orders = networkOrders(NO_ORDERS, message({ turns: 0 }));
    const short = message({ turns: 1 });
    short.networkBootstrapKeys = short.networkBootstrapKeys.slice(1);
    const refused = networkOrders(orders, short);
    expect(refused.refusedKeys).toBe('the manager sent 2 keys of networking:gossip, expected 3');
    expect(refused.keys).toBe(orders.keys);
    const strange = message({ turns: 1 });
    for (const key of strange.networkBootstrapKeys) key.subsystem = 'networking:moon';
    strange.managers = message({ managers: ['10.0.0.7:2377'] }).managers;
    const other = networkOrders(orders, strange);
    expect(other.refusedKeys).toContain('unknown subsystem "networking:moon"');
    expect(other.managers).toEqual(['10.0.0.7']); // the rest of the message counts
    expect(networkOrders(other, message({ turns: 1 })).refusedKeys).toBeUndefined();
  });
});
