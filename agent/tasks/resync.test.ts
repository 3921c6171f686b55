import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { TASK_ID_LABEL } from '#agent/container/labels.ts';
import { TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';
import { TaskState as S } from '#proto/gen/swarmkit/types_pb.js';
import { compareWithEngine } from './resync.ts';

const record = (desiredState: S, state: S) =>
  create(TaskRecordSchema, { task: { id: 't', desiredState }, status: { state } });
const container = (taskId: string, State: string) => ({
  Id: `c-${taskId}`,
  Labels: { [TASK_ID_LABEL]: taskId },
  State,
});

describe('compareWithEngine', () => {
  it.each<[S, S, string | undefined, boolean]>([
    [S.RUNNING, S.RUNNING, 'running', false],
    [S.RUNNING, S.RUNNING, 'paused', false],
    [S.RUNNING, S.RUNNING, 'exited', true],
    [S.RUNNING, S.RUNNING, undefined, true],
    [S.RUNNING, S.STARTING, 'running', true],
    [S.RUNNING, S.PREPARING, undefined, true],
    [S.READY, S.READY, 'created', false],
    [S.RUNNING, S.FAILED, 'exited', false],
    [S.RUNNING, S.COMPLETE, undefined, false],
    [S.SHUTDOWN, S.RUNNING, 'running', true],
    [S.SHUTDOWN, S.SHUTDOWN, 'exited', false],
    [S.SHUTDOWN, S.FAILED, 'running', true],
    [S.REMOVE, S.REJECTED, undefined, false],
  ])('a task wanted %d, being %d, with a container %s: a pass is needed: %s', (wanted, state, found, needed) => {
    const containers = found === undefined ? [] : [container('t', found)];
    expect(compareWithEngine([record(wanted, state)], containers)).toEqual({ tasks: needed ? ['t'] : [], strays: [] });
  });

  it('finds containers of this node that belong to no task of it', () => {
    const containers = [
      container('t', 'running'),
      container('gone', 'running'),
      { ...container('x', 'exited'), Labels: {} },
    ];
    expect(compareWithEngine([record(S.RUNNING, S.RUNNING)], containers).strays).toEqual(['c-gone', 'c-x']);
  });
});
