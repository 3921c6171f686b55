import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AssignmentChange_AssignmentAction as Action,
  type AssignmentsMessage,
  AssignmentsMessageSchema,
  AssignmentsMessage_Type as Type,
} from '#proto/gen/swarmkit/dispatcher_pb.js';
import {
  type Config,
  ConfigSchema,
  type Secret,
  SecretSchema,
  TaskSchema,
  VolumeAssignmentSchema,
} from '#proto/gen/swarmkit/types_pb.js';
import { change } from '#test/fake-manager/assignment-set.ts';
import { type Assignments, createAssignments, type TakenAssignments } from './assignments.ts';

const secret = (id: string, data = id, action = Action.UPDATE) =>
  change(action, { case: 'secret', value: create(SecretSchema, { id, spec: { data: Buffer.from(data) } }) });
const config = (id: string, data = id, action = Action.UPDATE) =>
  change(action, { case: 'config', value: create(ConfigSchema, { id, spec: { data: Buffer.from(data) } }) });
const task = (id: string, action = Action.UPDATE) =>
  change(action, { case: 'task', value: create(TaskSchema, { id }) });
const volume = (id: string, action = Action.UPDATE) =>
  change(action, { case: 'volume', value: create(VolumeAssignmentSchema, { id }) });

const message = (type: Type, appliesTo: string, resultsIn: string, changes: AssignmentsMessage['changes']) =>
  create(AssignmentsMessageSchema, { type, appliesTo, resultsIn, changes });
const complete = (...changes: AssignmentsMessage['changes']) => message(Type.COMPLETE, '', '1', changes);
const incremental = (from: number, ...changes: AssignmentsMessage['changes']) =>
  message(Type.INCREMENTAL, String(from), String(from + 1), changes);

const taken = (assignments: Assignments, next: AssignmentsMessage): TakenAssignments => {
  const result = assignments.take(next);
  if (result === 'gap') throw new Error('a gap');
  return result;
};
const dataOf = (object: Secret | Config | undefined) => object?.spec && Buffer.from(object.spec.data).toString();
const ids = ({ updatedTasks }: TakenAssignments) => updatedTasks.map(({ id }) => id);

describe('createAssignments', () => {
  it('takes a complete message for everything there is', () => {
    const assignments = createAssignments();
    expect(assignments.synced()).toBe(false);
    const first = taken(assignments, complete(task('t1'), secret('s1'), config('c1'), volume('v1'), task('t2')));
    expect(first).toMatchObject({ complete: true, removedTasks: [], removedVolumes: [] });
    expect(ids(first)).toEqual(['t1', 't2']);
    expect(assignments.synced()).toBe(true);

    taken(assignments, complete(secret('s2')));
    expect([dataOf(assignments.secret('s1')), dataOf(assignments.config('c1'))]).toEqual([undefined, undefined]);
    expect(dataOf(assignments.secret('s2'))).toBe('s2');
  });

  it('follows changes', () => {
    const assignments = createAssignments();
    taken(assignments, complete(secret('s1'), config('c1'), task('t1')));
    const second = taken(
      assignments,
      incremental(1, task('t2'), task('t1', Action.REMOVE), secret('s2'), config('c1', 'new')),
    );
    expect(second).toMatchObject({ complete: false, removedTasks: ['t1'] });
    expect(ids(second)).toEqual(['t2']);
    expect(dataOf(assignments.secret('s1'))).toBe('s1');
    expect(dataOf(assignments.config('c1'))).toBe('new');
    taken(assignments, incremental(2, secret('s1', '', Action.REMOVE), config('c1', '', Action.REMOVE)));
    expect(assignments.secret('s1') ?? assignments.config('c1')).toBeUndefined();
    expect(dataOf(assignments.secret('s2'))).toBe('s2');
  });

  it('removes before it adds, wherever in the list the two stand', () => {
    const assignments = createAssignments();
    taken(assignments, complete(secret('s1', 'old')));
    taken(assignments, incremental(1, secret('s1', 'new'), secret('s1', '', Action.REMOVE)));
    expect(dataOf(assignments.secret('s1'))).toBe('new');
  });

  it('hands out volumes that are taken away', () => {
    const assignments = createAssignments();
    taken(assignments, complete(volume('v1')));
    const { removedVolumes } = taken(assignments, incremental(1, volume('v1', Action.REMOVE)));
    expect(removedVolumes.map(({ id }) => id)).toEqual(['v1']);
  });

  it.each<[string, AssignmentsMessage]>([
    ['one was lost', incremental(2, secret('s1', 'x'))],
    ['it came twice', incremental(0, secret('s1', 'x'))],
    ['it refers to nothing', message(Type.INCREMENTAL, '', '2', [secret('s1', 'x')])],
  ])('takes nothing of a message that does not follow: %s', (_, next) => {
    const assignments = createAssignments();
    taken(assignments, complete(secret('s1')));
    expect(assignments.take(next)).toBe('gap');
    expect(dataOf(assignments.secret('s1'))).toBe('s1');
    expect(taken(assignments, incremental(1)).complete).toBe(false);
  });

  it('wants a stream to begin with a complete message', () => {
    const assignments = createAssignments();
    expect(assignments.take(message(Type.INCREMENTAL, '', '1', [task('t1')]))).toBe('gap');
    taken(assignments, complete(secret('s1')));
    assignments.restart();
    expect(assignments.take(incremental(1))).toBe('gap');
    expect(assignments.take(message(Type.INCREMENTAL, '', '1', []))).toBe('gap');
    expect(dataOf(assignments.secret('s1'))).toBe('s1');
    taken(assignments, complete(secret('s2')));
    expect(assignments.secret('s1')).toBeUndefined();
  });

  it('passes over what it does not know: no item, no id, another action or kind', () => {
    const assignments = createAssignments();
    const odd = message(7 as Type, '', '', []);
    expect(assignments.take(odd)).toBe('gap');
    const first = taken(
      assignments,
      complete(change(Action.UPDATE, { case: undefined }), task(''), task('t1', 9 as Action), secret(''), task('t2')),
    );
    expect(ids(first)).toEqual(['t2']);
    expect(first.removedTasks).toEqual([]);
    expect(assignments.secret('')).toBeUndefined();
  });

  it('holds after any sequence of changes what a complete message of the end would give it', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd');
    const oneChange = fc.record({
      kind: fc.constantFrom('secret', 'config', 'task'),
      id,
      data: fc.string({ maxLength: 3 }),
      remove: fc.boolean(),
    });
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(oneChange, { selector: (c) => c.kind + c.id }), { maxLength: 12 }),
        (steps) => {
          const followed = createAssignments();
          const tasks = new Set<string>();
          const world = {
            secret: new Map<string, string>(),
            config: new Map<string, string>(),
            task: new Map<string, string>(),
          };
          const note = (result: TakenAssignments) => {
            for (const taskId of ids(result)) tasks.add(taskId);
            for (const taskId of result.removedTasks) tasks.delete(taskId);
          };
          note(taken(followed, complete()));
          for (const [index, step] of steps.entries()) {
            const changes = step.map((c) => {
              if (c.remove) world[c.kind as 'task'].delete(c.id);
              else world[c.kind as 'task'].set(c.id, c.data);
              const action = c.remove ? Action.REMOVE : Action.UPDATE;
              if (c.kind === 'task') return task(c.id, action);
              return c.kind === 'secret' ? secret(c.id, c.data, action) : config(c.id, c.data, action);
            });
            note(taken(followed, incremental(index + 1, ...changes)));
          }
          const whole = createAssignments();
          taken(
            whole,
            complete(
              ...[...world.secret].map(([key, data]) => secret(key, data)),
              ...[...world.config].map(([key, data]) => config(key, data)),
            ),
          );
          for (const key of ['a', 'b', 'c', 'd']) {
            expect(dataOf(followed.secret(key))).toBe(dataOf(whole.secret(key)));
            expect(dataOf(followed.config(key))).toBe(dataOf(whole.config(key)));
          }
          expect([...tasks].sort()).toEqual([...world.task.keys()].sort());
        },
      ),
    );
  });
});
