import { describe, expect, it } from 'vitest';
import type { DesiredAttachment } from '../desired.ts';
import type { Row, RowChange } from '../gossip/networkdb/rows.ts';
import { ENDPOINT_TABLE, PEER_TABLE } from '../gossip/networkdb/table-events.ts';
import { type Endpoint, encodeEndpoint } from '../gossip/records.ts';
import { ipText } from '../gossip/wire/ip.ts';
import { Records, type RowSource } from './records.ts';

const SELF = 'this-node';

const task = (ip: string, facts: Partial<Endpoint> = {}): Endpoint => ({
  name: `web.${ip}`,
  service: { id: 's1', name: 'web' },
  virtualIp: '10.0.0.2',
  ip,
  ingressPorts: [],
  aliases: [],
  taskAliases: [],
  disabled: false,
  ...facts,
});

/** Rows as gossip keeps them. */
class FakeRows implements RowSource {
  readonly #rows = new Map<string, { owner: string; value: Endpoint; time: bigint }>();
  #time = 0n;
  /** Snapshots taken: they are dear. */
  snapshots = 0;
  #listener: ((network: string, changes: readonly RowChange[]) => void) | undefined;

  get watched(): boolean {
    return this.#listener !== undefined;
  }

  readonly snapshot = (network: string) => {
    if (network !== 'n1') return undefined;
    this.snapshots++;
    return { endpoints: [...this.#rows].map(([key, { owner, value }]) => ({ key, owner, value })) };
  };

  readonly versions = (network: string) =>
    network === 'n1' ? [...this.#rows].map(([key, { owner, time }]) => ({ key, owner, time })) : [];

  readonly watch: RowSource['watch'] = (listener) => {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  };

  /** A change nobody is told of. */
  silently(change: () => void): void {
    const listener = this.#listener;
    this.#listener = undefined;
    change();
    this.#listener = listener;
  }

  set(key: string, value: Endpoint | undefined, owner = 'other-node', table = ENDPOINT_TABLE): void {
    this.#time++;
    if (value === undefined) this.#rows.delete(key);
    else if (table === ENDPOINT_TABLE) this.#rows.set(key, { owner, value, time: this.#time });
    const after = value && this.#row(key, owner, table, encodeEndpoint(value));
    this.raw({ network: 'n1', table, key, before: undefined, after });
  }

  raw(change: RowChange): void {
    this.#listener?.('n1', [change]);
  }

  #row(key: string, owner: string, table: string, value: Buffer): Row {
    return { network: 'n1', table, key, owner, value, deleted: false, time: this.#time, reapAtMs: 0 };
  }
}

const attachment = (ip: string, state: DesiredAttachment['binding']['state'], networkId = 'n1'): DesiredAttachment => {
  const { ip: _, disabled: __, ...row } = task(ip);
  return { taskId: `task-${ip}`, networkId, address: `${ip}/24`, mac: undefined, binding: { state, row } };
};

function start() {
  const rows = new FakeRows();
  const records = new Records(rows, () => SELF);
  const find = (name: string) =>
    records
      .names('n1')
      ?.find(name)
      ?.v4.map((bytes) => ipText(bytes))
      .sort();
  return { rows, records, find };
}

describe('the records', () => {
  it('begin with what is known, and follow every change', () => {
    const { rows, records, find } = start();
    rows.set('a', task('10.0.0.5'));
    records.retain('n1');
    expect(find('tasks.web')).toEqual(['10.0.0.5']);
    rows.set('b', task('10.0.0.6'));
    expect(find('tasks.web')).toEqual(['10.0.0.5', '10.0.0.6']);
    rows.set('a', task('10.0.0.5', { disabled: true }));
    expect(find('tasks.web')).toEqual(['10.0.0.6']);
    rows.set('b', undefined);
    expect(find('tasks.web')).toBeUndefined();
    expect(find('web')).toEqual(['10.0.0.2']);
    rows.set('a', undefined);
    expect(find('web')).toBeUndefined();
  });

  it('do not read other tables, nor rows that say nothing', () => {
    const { rows, records, find } = start();
    records.retain('n1');
    rows.set('a', task('10.0.0.5'));
    rows.set('x', task('10.0.0.9'), 'other-node', PEER_TABLE);
    expect(find('tasks.web')).toEqual(['10.0.0.5']);
    const broken = {
      network: 'n1',
      table: ENDPOINT_TABLE,
      key: 'a',
      owner: 'other-node',
      value: Buffer.from('?'),
      deleted: false,
    };
    rows.raw({ network: 'n1', table: ENDPOINT_TABLE, key: 'a', before: undefined, after: broken as unknown as Row });
    expect(find('tasks.web')).toBeUndefined();
  });

  it('take of this node what the agent says, not its rows', () => {
    const { rows, records, find } = start();
    rows.set('own', task('10.0.0.5'), SELF);
    records.retain('n1');
    rows.set('own2', task('10.0.0.6'), SELF);
    expect(find('tasks.web')).toBeUndefined();
    records.setLocal([
      attachment('10.0.0.5', 'active'),
      attachment('10.0.0.6', 'pending'),
      attachment('10.0.0.7', 'active', 'n2'),
    ]);
    expect(find('tasks.web')).toEqual(['10.0.0.5']);
    records.setLocal([attachment('10.0.0.5', 'draining'), attachment('10.0.0.6', 'active')]);
    expect(find('tasks.web')).toEqual(['10.0.0.6']);
    expect(find('web')).toEqual(['10.0.0.2']);
    records.setLocal([]);
    expect(find('web')).toBeUndefined();
  });

  it('know what is local also when a network is needed later', () => {
    const { records, find } = start();
    records.setLocal([attachment('10.0.0.5', 'active')]);
    expect(find('tasks.web')).toBeUndefined();
    records.retain('n1');
    expect(find('tasks.web')).toEqual(['10.0.0.5']);
  });

  it('find their way back when a change went by unheard', () => {
    const { rows, records, find } = start();
    for (const ip of ['10.0.0.5', '10.0.0.6', '10.0.0.7']) rows.set(ip, task(ip));
    records.setLocal([attachment('10.0.0.20', 'active')]);
    records.retain('n1');
    expect(records.resync()).toBe(0);
    rows.silently(() => {
      rows.set('10.0.0.5', undefined);
      rows.set('10.0.0.6', task('10.0.0.6', { disabled: true }));
      rows.set('10.0.0.8', task('10.0.0.8'));
      rows.set('own', task('10.0.0.9'), SELF);
    });
    expect(records.resync()).toBe(3);
    expect(find('tasks.web')).toEqual(['10.0.0.20', '10.0.0.7', '10.0.0.8']);
    expect(records.resync()).toBe(0);
  });

  it('are not read again as long as the rows are those that are known', () => {
    const { rows, records } = start();
    rows.set('a', task('10.0.0.5'));
    records.retain('n1');
    rows.set('b', task('10.0.0.6'));
    rows.set('c', task('10.0.0.7'));
    rows.set('c', undefined);
    rows.set('own', task('10.0.0.8'), SELF);
    const before = rows.snapshots;
    expect(records.resync()).toBe(0);
    expect(rows.snapshots).toBe(before);
    rows.silently(() => rows.set('b', task('10.0.0.9')));
    expect(records.resync()).toBe(1);
    expect(records.resync()).toBe(0);
    expect(rows.snapshots).toBe(before + 1);
  });

  it('are kept for as long as somebody needs them', () => {
    const { rows, records } = start();
    const names = records.retain('n1');
    expect(records.retain('n1')).toBe(names);
    records.release('n1');
    rows.set('a', task('10.0.0.5'));
    expect(names.find('tasks.web')?.v4).toHaveLength(1);
    records.release('n1');
    expect(records.names('n1')).toBeUndefined();
    records.release('n1');
    records.close();
    expect(rows.watched).toBe(false);
  });

  it('of a network that gossip does not know (yet) are empty', () => {
    const { records } = start();
    expect(records.retain('n2').size).toBe(0);
  });

  it('change among ten thousand at the cost of one', () => {
    const { rows, records, find } = start();
    for (let i = 0; i < 10_000; i++) rows.set(`e${i}`, task(`10.${i >> 14}.${(i >> 7) & 127}.${i & 127}`));
    records.retain('n1');
    expect(find('tasks.web')).toHaveLength(10_000);
    const startedMs = performance.now();
    const CHANGES = 200;
    for (let i = 0; i < CHANGES; i++) rows.set(`e${i}`, undefined);
    // 20 ms is what one may take; a machine under load is given all two hundred that.
    expect((performance.now() - startedMs) / CHANGES).toBeLessThan(20);
    expect(find('tasks.web')).toHaveLength(9800);
  });
});
