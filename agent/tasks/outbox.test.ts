import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TaskState as S, type TaskStatus, TaskStatusSchema } from '#proto/gen/swarmkit/types_pb.js';
import { createOutbox } from './outbox.ts';

const status = (state: S, message = '') => create(TaskStatusSchema, { state, message });
const quiet = new AbortController().signal;
const text = (updates: readonly { taskId: string; status: TaskStatus }[]) =>
  updates.map(({ taskId, status: { state, message } }) => `${taskId} ${S[state]}${message}`);

describe('createOutbox', () => {
  it('keeps the newest of each task, in the order of the changes', () => {
    const outbox = createOutbox();
    outbox.put('a', status(S.ACCEPTED));
    outbox.put('b', status(S.ACCEPTED));
    outbox.put('a', status(S.PREPARING));
    expect(text(outbox.pending(10))).toEqual(['b ACCEPTED', 'a PREPARING']);
    expect(text(outbox.pending(1))).toEqual(['b ACCEPTED']);
    expect(outbox.size()).toBe(2);
  });

  it('never goes back, but says the same state in other words', () => {
    const outbox = createOutbox();
    outbox.put('a', status(S.RUNNING, '!'));
    outbox.put('a', status(S.STARTING));
    expect(text(outbox.pending(10))).toEqual(['a RUNNING!']);
    outbox.put('a', status(S.RUNNING, '?'));
    expect(text(outbox.pending(10))).toEqual(['a RUNNING?']);
  });

  it('keeps a status that changed while the one before was being taken', () => {
    const outbox = createOutbox();
    outbox.put('a', status(S.STARTING));
    outbox.put('b', status(S.STARTING));
    const sent = outbox.pending(10);
    outbox.put('a', status(S.RUNNING));
    outbox.taken(sent);
    expect(text(outbox.pending(10))).toEqual(['a RUNNING']);
  });

  it('has nothing to say of a task that was dropped', () => {
    const outbox = createOutbox();
    outbox.put('a', status(S.RUNNING));
    const sent = outbox.pending(10);
    outbox.drop('a');
    expect(outbox.size()).toBe(0);
    outbox.taken(sent);
    expect(outbox.size()).toBe(0);
  });

  it('wakes who waits for something to send, and not before', async () => {
    const outbox = createOutbox();
    let woken = false;
    const waiting = outbox.filled(quiet).then(() => {
      woken = true;
    });
    await Promise.resolve();
    expect(woken).toBe(false);
    outbox.put('a', status(S.RUNNING));
    await waiting;
    await outbox.filled(quiet);
    outbox.drop('a');
    await expect(outbox.filled(AbortSignal.abort('enough'))).rejects.toBe('enough');
  });

  it('hands every last word over, and never an older one after a newer, whatever the order of things', () => {
    const put = fc.record({
      kind: fc.constant('put' as const),
      task: fc.constantFrom('a', 'b', 'c'),
      state: fc.constantFrom(S.ACCEPTED, S.PREPARING, S.RUNNING, S.FAILED),
    });
    const send = fc.record({ kind: fc.constant('send' as const), limit: fc.integer({ min: 1, max: 3 }) });
    const acknowledge = fc.record({ kind: fc.constantFrom('taken' as const, 'refused' as const) });
    fc.assert(
      fc.property(fc.array(fc.oneof(put, send, acknowledge), { maxLength: 60 }), (moves) => {
        const outbox = createOutbox();
        const highest = new Map<string, S>();
        const manager = new Map<string, S>();
        let flying: ReturnType<typeof outbox.pending> = [];
        const land = () => {
          for (const {
            taskId,
            status: { state },
          } of flying) {
            expect(state).toBeGreaterThanOrEqual(manager.get(taskId) ?? 0);
            manager.set(taskId, state);
          }
          outbox.taken(flying);
          flying = [];
        };
        for (const move of moves) {
          if (move.kind === 'put') {
            // As tasks do: a state that only grows.
            const state = Math.max(move.state, highest.get(move.task) ?? 0);
            highest.set(move.task, state);
            outbox.put(move.task, status(state));
          } else if (move.kind === 'send') {
            if (flying.length === 0) flying = outbox.pending(move.limit);
          } else if (move.kind === 'taken') land();
          else flying = [];
        }
        for (let rounds = 0; outbox.size() > 0 && rounds < 10; rounds++) {
          flying = outbox.pending(2);
          land();
        }
        expect(manager).toEqual(highest);
      }),
    );
  });
});
