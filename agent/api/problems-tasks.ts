import { shortTaskName } from './task-name.ts';
import type { AgentFacts, Problem, TaskFact } from './view.ts';

/** Older failures are history: `docker service ps` has them. */
const RECENT_MS = 10 * 60_000;
/** Longer than a pull of a large image or the start period of a slow service should take. */
const SLOW_MS = 10 * 60_000;
/** One screen has no room for more, and more of the same kind says nothing new. */
const SERVICES_NAMED = 4;

/** Services whose tasks on this node fail, or do not get on. */
export function taskProblems({ tasks }: AgentFacts, nowMs: number): Problem[] {
  const ageMs = (task: TaskFact) => nowMs - Date.parse(task.since);
  const failed = tasks.filter(
    (task) => (task.state === 'failed' || task.state === 'rejected') && ageMs(task) < RECENT_MS,
  );
  const slow = tasks.filter((task) => isOnItsWay(task) && ageMs(task) > SLOW_MS);
  return [...perService(failed, failing, 'tasks-failing'), ...perService(slow, slowly, 'tasks-slow')];
}

function isOnItsWay(task: TaskFact): boolean {
  const wanted = task.desired === 'running' || task.desired === 'complete';
  return wanted && (task.state === 'accepted' || task.state === 'preparing' || task.state === 'starting');
}

function perService(tasks: readonly TaskFact[], problemOf: (tasks: Latest) => Problem, code: string): Problem[] {
  const groups = [...Map.groupBy(tasks, (task) => task.service)].map(([service, members]) => latest(service, members));
  groups.sort((a, b) => b.count - a.count || (a.service < b.service ? -1 : 1));
  const problems = groups.slice(0, SERVICES_NAMED).map(problemOf);
  const left = groups.length - problems.length;
  if (left > 0) {
    problems.push({
      severity: 'warning',
      code,
      what: `the same goes for tasks of ${left} more ${left === 1 ? 'service' : 'services'}`,
      mend: 'See "netd inspect tasks".',
      since: null,
    });
  }
  return problems;
}

/** The tasks of one service, with the one that changed last as the example. */
interface Latest {
  readonly service: string;
  readonly count: number;
  readonly last: TaskFact;
  readonly since: string;
}

function latest(service: string, tasks: readonly TaskFact[]): Latest {
  const sorted = tasks.toSorted((a, b) => Date.parse(a.since) - Date.parse(b.since));
  const [first] = sorted;
  const last = sorted.at(-1);
  if (first === undefined || last === undefined) throw new Error('a group has at least one member');
  return { service, count: tasks.length, last, since: first.since };
}

function failing({ service, count, last, since }: Latest): Problem {
  const outcome = last.state === 'rejected' ? 'was rejected' : 'failed';
  const reason =
    last.err || last.message || (last.exitCode === null ? 'no reason given' : `exit code ${last.exitCode}`);
  const tasks = count === 1 ? '1 task' : `${count} tasks`;
  return {
    severity: 'warning',
    code: 'tasks-failing',
    what: `service ${service}: ${tasks} failed lately; ${shortTaskName(last)} ${outcome}: ${reason}`,
    mend: failureMend(service, last),
    since,
  };
}

/** A task that was rejected never ran: its service has no logs of it, but the reason says what to change. */
function failureMend(service: string, { state, err }: TaskFact): string {
  if (state !== 'rejected')
    return `On a manager: "docker service ps --no-trunc ${service}", "docker service logs ${service}".`;
  const listed = `"docker service ps --no-trunc ${service}" on a manager has all of them.`;
  const known = REJECTIONS.find(({ reason }) => reason.test(err));
  return known === undefined ? `Change what the reason names; ${listed}` : `${known.mend} ${listed}`;
}

const REJECTIONS: readonly { readonly reason: RegExp; readonly mend: string }[] = [
  {
    reason: /^No such image/,
    mend: 'Check the name, and that this host reaches the registry and may pull (--with-registry-auth); the log of the agent says why not.',
  },
  {
    reason: /routing mesh/,
    mend: 'Publish the port with mode=host, or keep the service off this node with a constraint.',
  },
];

function slowly({ service, count, last, since }: Latest): Problem {
  const mend =
    last.state === 'starting'
      ? `Its health check has not passed. On a manager: "docker service logs ${service}".`
      : 'An image may be large or its registry slow; the log of the agent has the details.';
  return {
    severity: 'warning',
    code: 'tasks-slow',
    what: `service ${service}: ${count === 1 ? '1 task is' : `${count} tasks are`} still ${last.state}`,
    mend,
    since,
  };
}
