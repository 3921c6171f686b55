import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Endpoint } from '../gossip/records.ts';
import { ipText } from '../gossip/wire/ip.ts';
import { NetworkNames, namingsOf } from './names.ts';

const task = (facts: Partial<Endpoint> = {}): Endpoint => ({
  name: 'web.1.abc',
  service: { id: 's1', name: 'web' },
  virtualIp: '10.0.0.2',
  ip: '10.0.0.5',
  ingressPorts: [],
  aliases: ['site'],
  taskAliases: ['0123456789ab', 'HOST'],
  disabled: false,
  ...facts,
});
const found = (names: NetworkNames, name: string) => {
  const addresses = names.find(name);
  return addresses && [...addresses.v4, ...addresses.v6].map((bytes) => ipText(bytes)).sort();
};

describe('an endpoint', () => {
  const own = ['web.1.abc=10.0.0.5', '0123456789ab=10.0.0.5', 'host=10.0.0.5'];
  const tasks = ['tasks.web=10.0.0.5', 'tasks.site=10.0.0.5'];
  const vip = ['web=10.0.0.2', 'site=10.0.0.2'];
  const direct = ['web=10.0.0.5', 'site=10.0.0.5'];
  it.each<[string, Partial<Endpoint>, string[], string | undefined]>([
    ['with a virtual address', {}, [...own, ...tasks, ...vip], 'web.1.abc'],
    ['without one (dnsrr)', { virtualIp: undefined }, [...own, ...tasks, ...direct], 'web.1.abc'],
    ['draining keeps the virtual address of its service', { disabled: true }, vip, undefined],
    ['draining without one has no names', { disabled: true, virtualIp: undefined }, [], undefined],
    ['that is a plain container', { service: undefined, virtualIp: undefined, aliases: [] }, own, 'web.1.abc'],
    ['of a service without a name', { service: { id: 's1', name: '' } }, own, 'web.1.abc'],
  ])('%s', (_, facts, names, pointer) => {
    const namings = namingsOf(task(facts));
    expect(namings.names.map(({ name, ip }) => `${name}=${ip}`).sort()).toEqual(names.sort());
    expect(namings.pointer).toBe(pointer);
  });
});

describe('the names of a network', () => {
  it('hold a virtual address from the first task to the last', () => {
    const names = new NetworkNames();
    names.put('a', task());
    names.put('b', task({ name: 'web.2.def', ip: '10.0.0.6' }));
    expect(found(names, 'web')).toEqual(['10.0.0.2']);
    expect(found(names, 'tasks.web')).toEqual(['10.0.0.5', '10.0.0.6']);
    names.drop('a');
    expect(found(names, 'web')).toEqual(['10.0.0.2']);
    expect(found(names, 'tasks.web')).toEqual(['10.0.0.6']);
    names.put('b', task({ name: 'web.2.def', ip: '10.0.0.6', disabled: true }));
    expect(found(names, 'web')).toEqual(['10.0.0.2']);
    expect(found(names, 'tasks.web')).toBeUndefined();
    names.drop('b');
    expect(found(names, 'web')).toBeUndefined();
    expect(names.size).toBe(0);
  });

  it('collapse one address given twice, and join services with one alias', () => {
    const names = new NetworkNames();
    names.put('a', task());
    names.put('b', task({ name: 'web.1.new' }));
    names.put('c', task({ service: { id: 's2', name: 'other' }, virtualIp: '10.0.0.9', ip: '10.0.0.7' }));
    expect(found(names, 'tasks.web')).toEqual(['10.0.0.5']);
    expect(found(names, 'site')).toEqual(['10.0.0.2', '10.0.0.9']);
    names.drop('a');
    expect(found(names, 'tasks.web')).toEqual(['10.0.0.5']);
    expect([...(names.owners('tasks.web').get('10.0.0.5') ?? [])]).toEqual(['b']);
  });

  it('lead back from an address to the endpoint known for longest', () => {
    const names = new NetworkNames();
    names.put('a', task());
    names.put('b', task({ name: 'twin' }));
    expect(names.pointer('10.0.0.5')).toBe('web.1.abc');
    names.drop('a');
    expect(names.pointer('10.0.0.5')).toBe('twin');
    names.drop('b');
    expect(names.pointer('10.0.0.5')).toBeUndefined();
    expect(names.pointer('10.0.0.2')).toBeUndefined();
  });

  it('take names that objects have by birth for names like any other', () => {
    const names = new NetworkNames();
    expect(names.find('__proto__')).toBeUndefined();
    names.put('a', task({ name: '__proto__', taskAliases: ['constructor'] }));
    expect(found(names, '__proto__')).toEqual(['10.0.0.5']);
    expect(found(names, 'constructor')).toEqual(['10.0.0.5']);
  });

  it('keep families apart', () => {
    const names = new NetworkNames();
    names.put('a', task({ virtualIp: undefined }));
    names.put('b', task({ virtualIp: undefined, ip: 'fd00::5' }));
    expect(names.find('web')?.v4).toHaveLength(1);
    expect(names.find('web')?.v6).toHaveLength(1);
  });

  it('are the same whatever the way they came about', () => {
    const endpoint = fc.record({
      name: fc.constantFrom('a.1', 'a.2', 'b.1'),
      service: fc.constantFrom(undefined, { id: 's1', name: 'a' }, { id: 's2', name: 'b' }),
      virtualIp: fc.constantFrom(undefined, '10.0.0.2', '10.0.0.3'),
      ip: fc.constantFrom('10.0.0.5', '10.0.0.6', 'fd00::7'),
      aliases: fc.subarray(['x', 'a', 'y']),
      taskAliases: fc.subarray(['x', 'host']),
      disabled: fc.boolean(),
      ingressPorts: fc.constant([]),
    });
    const step = fc.tuple(fc.constantFrom('e1', 'e2', 'e3', 'e4'), fc.option(endpoint, { nil: undefined }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const names = new NetworkNames();
        const last = new Map<string, Endpoint>();
        for (const [id, value] of steps) {
          if (value === undefined) {
            names.drop(id);
            last.delete(id);
          } else {
            names.put(id, value);
            last.set(id, value);
          }
        }
        const fresh = new NetworkNames();
        for (const [id, value] of last) fresh.put(id, value);
        expect(names.size).toBe(fresh.size);
        for (const name of ['a', 'b', 'x', 'y', 'host', 'tasks.a', 'tasks.b', 'tasks.x', 'a.1', 'a.2', 'b.1'])
          expect(found(names, name)).toEqual(found(fresh, name));
        expect([...names.endpoints.keys()].sort()).toEqual([...fresh.endpoints.keys()].sort());
      }),
    );
  });
});
