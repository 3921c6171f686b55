import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/** The rules of docs/architecture.md that a machine can check. Each exception stands here with its reason. */

const root = join(import.meta.dirname, '../..');
const ROOMS = ['proto', 'base', 'pki', 'netd', 'agent', 'test', 'scripts'] as const;
type Room = (typeof ROOMS)[number];

/** What a room may import from, besides itself. */
const MAY_IMPORT: Readonly<Record<Room, readonly Room[]>> = {
  proto: [],
  base: [],
  pki: ['proto', 'base'],
  netd: ['proto', 'base'],
  agent: ['proto', 'base', 'pki', 'netd'],
  test: ['proto', 'base', 'pki', 'netd', 'agent'],
  scripts: ['test', 'base', 'agent'],
};

/** Decisions: no input but their arguments. A directory counts with all it holds but the exceptions. */
const PURE: readonly string[] = [
  'agent/container/',
  'agent/template/',
  'agent/api/problems.ts',
  'agent/api/problems-cluster.ts',
  'agent/api/problems-host.ts',
  'agent/api/problems-network.ts',
  'agent/api/problems-overlay.ts',
  'agent/api/problems-tasks.ts',
  'agent/api/view.ts',
  'agent/api/documents.ts',
  'agent/metrics/metric-family.ts',
  'agent/networks/binding.ts',
  'agent/networks/desired-network.ts',
  'agent/networks/desired-networks.ts',
  'agent/metrics/view-metrics.ts',
  'agent/metrics/gossip-metrics.ts',
  'agent/metrics/overlay-metrics.ts',
  'agent/payload/plan.ts',
  'agent/payload/targets.ts',
  'agent/session/assignments.ts',
  'agent/session/node-message.ts',
  'agent/session/session-backoff.ts',
  'agent/tasks/observed.ts',
  'agent/tasks/resync.ts',
  'agent/tasks/status.ts',
  'agent/tasks/step.ts',
  'agent/node/description.ts',
  'agent/node/description-fact.ts',
  'agent/node/engine-fact.ts',
  'agent/node/task-fact.ts',
  'agent/node/local-address.ts',
  'agent/node/data-path.ts',
  'agent/node/gossip-fact.ts',
  'agent/node/network-fact.ts',
  'agent/node/network-orders.ts',
  'pki/token.ts',
  'pki/weights.ts',
  'pki/chain.ts',
  'pki/renewal-schedule.ts',
  'pki/credentials.ts',
  'pki/remotes.ts',
  'pki/address.ts',
  'pki/der.ts',
  'pki/pem.ts',
  'pki/certificate-der.ts',
  'pki/fips.ts',
  'pki/dial-verdict.ts',
  'netd/desired.ts',
  'netd/dns-containers.ts',
  'netd/driver/driver.ts',
  'netd/driver/options.ts',
  'netd/driver/requests.ts',
  'netd/gossip/wire/',
  'netd/gossip/swim/',
  'netd/kernel/netlink/',
  'netd/dns/codes.ts',
  'netd/dns/query.ts',
  'netd/dns/reply.ts',
  'netd/dns/names.ts',
  'netd/dns/search.ts',
  'netd/dns/reverse.ts',
  'netd/dns/answer.ts',
  'netd/dns/resolver.ts',
  'netd/dns/attempts.ts',
  'netd/dns/servers.ts',
  'netd/dns/resolv-conf.ts',
  'netd/dns/frames.ts',
  'netd/dns/explain.ts',
  'netd/dns/question.ts',
  'netd/local-containers.ts',
  'netd/path/hop.ts',
  'netd/path/link-fault.ts',
  'netd/path/name-hop.ts',
  'netd/path/subnet.ts',
  'netd/path/walk.ts',
  'netd/path/walk-container.ts',
  'netd/path/walk-local.ts',
  'netd/path/walk-namespace.ts',
  'netd/path/walk-rows.ts',
  'netd/path/walk-underlay.ts',
  'netd/path/who.ts',
  'netd/overlay/checks.ts',
  'netd/overlay/drift.ts',
  'netd/overlay/endpoint.ts',
  'netd/overlay/endpoint-checks.ts',
  'netd/overlay/explain.ts',
  'netd/overlay/hold.ts',
  'netd/overlay/kernel-rows.ts',
  'netd/overlay/mac.ts',
  'netd/overlay/mtu.ts',
  'netd/overlay/names.ts',
  'netd/overlay/observed.ts',
  'netd/overlay/op.ts',
  'netd/overlay/own-rows.ts',
  'netd/overlay/plan.ts',
  'netd/overlay/plan-links.ts',
  'netd/overlay/plan-rows.ts',
  'netd/overlay/subnets.ts',
  'netd/overlay/view.ts',
  'netd/overlay/winners.ts',
  'netd/overlay/wishes.ts',
  'base/backoff.ts',
];

/** Modules of Node a pure file may use: they compute. */
const PURE_NODE_MODULES = ['node:assert', 'node:crypto', 'node:assert/strict', 'node:net'];
const NET_REASON = /isIP(v4|v6)?\b/; // node:net only to tell an address from a name
const IMPURE_WORDS = [/\bDate\.now\(/, /\bnew Date\(\)/, /\bMath\.random\b/, /\bperformance\.now\(/, /\bprocess\.\w/];

/** Longest source file, in lines: beyond it a file is several. */
const LONGEST_FILE = 400;
const MOST_FILES_IN_BASE = 10;

const files = ROOMS.flatMap((room) => sources(join(root, room))).map((path) => relative(root, path));
const text = new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
const isTest = (file: string) => /\.(test|fixture)\.ts$/.test(file) || file.startsWith('test/');
const code = files.filter((file) => !isTest(file));

describe('the structure of the sources', () => {
  it('imports only in the direction of the rooms', () => {
    const wrong = files.flatMap((file) =>
      localImports(file)
        .filter((target) => !mayImport(file, target))
        .map((target) => `${file} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no import cycles', () => {
    expect(cycles()).toEqual([]);
  });

  it('keeps decisions pure', () => {
    const wrong = code.filter(isPure).flatMap((file) => impurities(file).map((why) => `${file}: ${why}`));
    expect(wrong).toEqual([]);
  });

  it('names pure files that exist', () => {
    expect(PURE.filter((path) => !files.some((file) => file === path || file.startsWith(path)))).toEqual([]);
  });

  it('has small files', () => {
    const long = files.filter(
      (file) => (text.get(file) ?? '').split('\n').length > LONGEST_FILE + (isTest(file) ? 400 : 0),
    );
    expect(long).toEqual([]);
    expect(code.filter((file) => file.startsWith('base/')).length).toBeLessThanOrEqual(MOST_FILES_IN_BASE);
  });

  it('has no barrels and no default exports', () => {
    const barrels = code.filter((file) => /\/index\.ts$/.test(file) || /^export \* from/m.test(text.get(file) ?? ''));
    expect(barrels).toEqual([]);
    const defaults = code.filter((file) => /^export default/m.test(text.get(file) ?? ''));
    expect(defaults).toEqual([]);
  });
});

function sources(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    if (statSync(path).isDirectory()) return name === 'gen' ? [] : sources(path);
    return name.endsWith('.ts') ? [path] : [];
  });
}

/** Files of ours that `file` imports, types included: a type is a dependency too. */
function localImports(file: string): string[] {
  const specifiers = [...(text.get(file) ?? '').matchAll(/(?:from|import)\s*\(?\s*'([#.][^']+)'/g)].map(
    (m) => m[1] ?? '',
  );
  return specifiers.map((specifier) =>
    specifier.startsWith('#') ? specifier.slice(1) : join(dirname(file), specifier),
  );
}

function mayImport(file: string, target: string): boolean {
  const from = file.split('/')[0] as Room;
  const to = target.split('/')[0] as Room;
  if (from === to) return true;
  if (isTest(file) && to === 'test') return true; // a unit test may use the fakes
  return MAY_IMPORT[from].includes(to);
}

function isPure(file: string): boolean {
  return PURE.some((path) => file === path || (path.endsWith('/') && file.startsWith(path)));
}

function impurities(file: string): string[] {
  const source = text.get(file) ?? '';
  const modules = [...source.matchAll(/from '(node:[^']+)'/g)].map((match) => match[1] ?? '');
  return [
    ...modules
      .filter((name) => !PURE_NODE_MODULES.includes(name) || (name === 'node:net' && !NET_REASON.test(source)))
      .map((name) => `imports ${name}`),
    ...IMPURE_WORDS.filter((word) => word.test(source)).map((word) => `uses ${word.source}`),
  ];
}

/** Each cycle once, as a path of files. */
function cycles(): string[] {
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (file: string, path: readonly string[]) => {
    const at = path.indexOf(file);
    if (at >= 0) {
      found.push([...path.slice(at), file].join(' -> '));
      return;
    }
    if (done.has(file)) return;
    for (const target of localImports(file)) if (text.has(target)) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of code) visit(file, []);
  return found;
}
