import type { FindingFact, NetworkSummaryFact } from './network-facts.ts';
import type { AgentFacts, Problem } from './view.ts';

/** More of one kind than this say no more than the first. */
const MOST_NAMED = 3;
/** What the next passes mend nobody has to see. */
const DRIFT_GRACE_MS = 10_000;

/** What is wrong with the overlay networks of this host. A node outside a swarm has none to worry about. */
export function overlayProblems(facts: AgentFacts, nowMs: number): Problem[] {
  if (facts.cluster.state === 'not-joined') return [];
  return [
    ...driver(facts),
    ...driverNotFound(facts),
    ...facts.networks.networks.flatMap(network),
    ...drift(facts, nowMs),
    ...dns(facts),
  ];
}

function driver({ networks, agent }: AgentFacts): Problem[] {
  const { driverProblem } = networks;
  if (driverProblem === null) return [];
  const mend = `netd keeps trying. Its socket belongs into the directory where the engine looks for plugins, "plugin-dir" of ${agent.configFile ?? 'the configuration'}.`;
  return [problem('error', 'network-driver', driverProblem, mend)];
}

/** The words of an engine that has not met the driver since its start, and of one that has: 20.10, 26.1 and 28.5 alike. */
const DRIVER_NOT_FOUND = /plugin "?netd"? not found|error looking up (network )?plugin netd|\/netd\.sock: connect: /i;

/** The driver is served, and the engine looks somewhere else: only its refusals tell. */
function driverNotFound({ tasks, networks }: AgentFacts): Problem[] {
  if (networks.driverProblem !== null) return [];
  const told = tasks.find(({ err }) => DRIVER_NOT_FOUND.test(err));
  if (told === undefined) return [];
  const what = `the engine does not find netd's network driver: ${told.err}`;
  return [
    problem(
      'error',
      'network-driver-not-found',
      what,
      'Set "plugin-dir" to the directory where this engine looks for plugins: /run/docker/plugins, unless it runs in a container of its own.',
    ),
  ];
}

function network({ name, state, reason, findings }: NetworkSummaryFact): Problem[] {
  const problems: Problem[] = [];
  if (state === 'refused') {
    problems.push(
      problem(
        'error',
        'network-refused',
        `network ${name} cannot be made here: ${reason}`,
        'Change the network, or keep its services off this node with a placement constraint.',
      ),
    );
  }
  if (state === 'failed') {
    problems.push(
      problem(
        'error',
        'network-failed',
        `network ${name} is not as it should be: ${reason}`,
        'netd keeps trying; "netd inspect networks" and the log say more.',
      ),
    );
  }
  const groups = Map.groupBy(findings, ({ code }) => code);
  return [...problems, ...[...groups].map(([code, some]) => finding(name, code, some))];
}

function finding(name: string, code: string, some: readonly FindingFact[]): Problem {
  const texts = some.slice(0, MOST_NAMED).map(({ text }) => text);
  const more = some.length - texts.length;
  const what = `network ${name}: ${texts.join('; ')}${more > 0 ? `; and ${more} more` : ''}`;
  const severity = some.some(({ level }) => level === 'error') ? 'error' : 'warning';
  return problem(severity, code, what, MENDS[code] ?? '"netd inspect networks" and the log of netd say more.');
}

/** By the codes of findings. */
const MENDS: Readonly<Record<string, string>> = {
  'subnet-overlaps-route': 'Make the network anew with a --subnet that no route of this host covers.',
  'underlay-mtu': 'Make the network anew with that option, or raise the MTU of the network between the hosts.',
  'vtep-not-local':
    'Join with a --data-path-addr of this host, unless a router in front of it translates that address.',
  'vxlan-clash': 'Remove that device, or make the network anew: it then gets another number.',
  'duplicate-address':
    'Restart one of the containers with that address, on the node that was cut off from the managers if one was.',
  'bad-endpoint': 'Look at the container it names: it may have to be started anew.',
};

function drift({ networks }: AgentFacts, nowMs: number): Problem[] {
  const { recurring } = networks.drift;
  const open = networks.drift.open.filter(({ since }) => nowMs - Date.parse(since) >= DRIFT_GRACE_MS);
  const problems: Problem[] = [];
  const [first] = open;
  if (first !== undefined) {
    const more = open.length > 1 ? `, and ${open.length - 1} more` : '';
    const what = `network ${first.network}: ${first.what}, which cannot be mended: ${first.error}${more}`;
    problems.push({
      ...problem('error', 'drift', what, 'netd keeps trying; "netd inspect drift" lists all.'),
      since: first.since,
    });
  }
  const [most] = recurring;
  if (most !== undefined) {
    const more = recurring.length > 1 ? `, and ${recurring.length - 1} more things` : '';
    const what = `network ${most.network}: again and again ${most.what} (${most.times} times lately)${more}`;
    const mend =
      'netd mends it each time. Find out what else changes it: another network manager, a script, a second netd.';
    problems.push({ ...problem('warning', 'drift-recurs', what, mend), since: most.since });
  }
  return problems;
}

function dns({ networks }: AgentFacts): Problem[] {
  const { failed } = networks.dns;
  const [first] = failed;
  if (first === undefined) return [];
  const more = failed.length > 1 ? `, and ${failed.length - 1} more` : '';
  const what = `${first.container}${more} cannot resolve names of the swarm: ${first.error}`;
  return [problem('warning', 'dns-not-served', what, 'netd keeps trying; "netd inspect dns" says more.')];
}

function problem(severity: Problem['severity'], code: string, what: string, mend: string): Problem {
  return { severity, code, what, mend, since: null };
}
