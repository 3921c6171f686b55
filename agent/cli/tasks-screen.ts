import type { TasksDocument } from '#agent/api/documents.ts';
import { shortTaskName } from '#agent/api/task-name.ts';
import type { TaskFact, TaskStateName } from '#agent/api/view.ts';
import { durationSince } from './duration.ts';
import { table } from './table.ts';
import type { Palette, Screen } from './text.ts';

const COLUMNS = [
  { title: 'TASK', min: 12 },
  { title: 'IMAGE', min: 12, keep: 'end' },
  { title: 'STATE' },
  { title: 'WANTED' },
  { title: 'SINCE' },
  { title: 'CONTAINER' },
  { title: 'PORTS', min: 10 },
] as const;

/** As many characters of an id as `docker ps` shows. */
const SHORT_ID = 12;

const PAINT: Readonly<Partial<Record<TaskStateName, keyof Palette>>> = {
  running: 'green',
  failed: 'red',
  rejected: 'red',
  orphaned: 'red',
  complete: 'dim',
  shutdown: 'dim',
};

/** `netd inspect tasks`: every task assigned to this node, and under it what went wrong. */
export function tasksScreen({ tasks, at }: TasksDocument, screen: Screen): string {
  if (tasks.length === 0) return 'No tasks are assigned to this node.\n';
  const list = tasks.map((task) => {
    const paint = PAINT[task.state];
    const state = { text: task.state, ...(paint ? { paint: screen.palette[paint] } : {}) };
    const cells = [
      shortTaskName(task),
      shortImage(task.image),
      state,
      task.desired,
      durationSince(task.since, at),
      task.containerId?.slice(0, SHORT_ID) ?? '',
      ports(task),
    ];
    const trouble = troubleOf(task);
    return trouble === '' ? { cells } : { cells, note: { text: trouble, paint: screen.palette.red } };
  });
  return `${table(COLUMNS, list, screen).join('\n')}\n`;
}

/** The digest that a manager pins to every image says nothing to people. */
function shortImage(image: string): string {
  return image.replace(/(.)@sha256:[0-9a-f]+$/, '$1');
}

function ports(task: TaskFact): string {
  return task.ports.map((port) => `${port.publishedPort}→${port.targetPort}/${port.protocol}`).join(', ');
}

function troubleOf(task: TaskFact): string {
  const exit = task.exitCode !== null && task.exitCode !== 0 && task.err === '' ? `exit code ${task.exitCode}` : '';
  return task.err || exit;
}
