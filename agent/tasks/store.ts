import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { writeFileAtomic } from '#base/atomic-file.ts';
import { errorText, isErrno, NetdError } from '#base/errors.ts';
import { type TaskRecord, TaskRecordSchema } from '#proto/gen/state/task_record_pb.js';

/**
 * The tasks of this node on disk, so that a restart knows them before any manager answers: one file, replaced whole, of
 * length-delimited `TaskRecord`s. A cache: what is lost, the manager sends again and the engine still shows.
 */
export interface TaskStore {
  /** What is on disk. Records that cannot be read are set aside and told by `problem()`. */
  readonly load: () => Promise<readonly TaskRecord[]>;
  readonly put: (record: TaskRecord) => void;
  readonly remove: (taskId: string) => void;
  /** Writes what is not yet written. */
  readonly flush: () => Promise<void>;
  /** Forgets everything, on disk as well. */
  readonly wipe: () => Promise<void>;
  /** Why the last write or load failed, if it did. */
  readonly problem: () => string | undefined;
}

/** A burst of changes is one write: the file lags the truth by at most this. */
const WRITE_DELAY_MS = 1000;

export function createTaskStore(stateDir: string): TaskStore {
  const path = join(stateDir, 'tasks.pb');
  const encoded = new Map<string, Uint8Array>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let dirty = false;
  let problem: string | undefined;

  const write = async () => {
    dirty = false;
    const writer = new BinaryWriter();
    for (const bytes of encoded.values()) writer.bytes(bytes);
    try {
      await writeFileAtomic(path, writer.finish(), 0o600);
      problem = undefined;
    } catch (error) {
      dirty = true;
      problem = `the tasks of this node cannot be written to ${path}: ${errorText(error)}`;
      schedule();
    }
  };
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(() => (dirty ? write() : undefined));
    return writing;
  };
  const schedule = () => {
    timer ??= setTimeout(() => void flush(), WRITE_DELAY_MS);
  };
  const changed = () => {
    dirty = true;
    schedule();
  };

  return {
    load: async () => {
      const bytes = await readFile(path).catch((error: unknown) => {
        if (isErrno(error, 'ENOENT')) return new Uint8Array();
        throw new NetdError('state-unreadable', `${path} cannot be read: ${errorText(error)}`, {
          cause: error,
          mend: 'run netd as root, and check the permissions and the disk of the state directory',
        });
      });
      const { records, bad } = decodeRecords(bytes);
      if (bad !== undefined) {
        await rename(path, `${path}.unreadable`);
        problem = `${path} was damaged (${bad}); ${records.length} tasks could be read, the rest comes from the manager`;
      }
      for (const record of records) encoded.set(record.task?.id ?? '', toBinary(TaskRecordSchema, record));
      return records;
    },
    put: (record) => {
      const id = record.task?.id ?? '';
      const bytes = toBinary(TaskRecordSchema, record);
      const known = encoded.get(id);
      if (known && Buffer.compare(known, bytes) === 0) return;
      encoded.set(id, bytes);
      changed();
    },
    remove: (taskId) => {
      if (encoded.delete(taskId)) changed();
    },
    flush,
    wipe: async () => {
      encoded.clear();
      dirty = false;
      await flush();
      await rm(path, { force: true });
    },
    problem: () => problem,
  };
}

/** Length-delimited records up to the first that cannot be read, and what was wrong with that one. */
export function decodeRecords(bytes: Uint8Array): { readonly records: readonly TaskRecord[]; readonly bad?: string } {
  const reader = new BinaryReader(bytes);
  const records: TaskRecord[] = [];
  while (reader.pos < reader.len) {
    const offset = reader.pos;
    try {
      const record = fromBinary(TaskRecordSchema, reader.bytes());
      if (!record.task?.id) throw new Error('a record without a task');
      records.push(record);
    } catch (error) {
      return { records, bad: `at offset ${offset}: ${errorText(error)}` };
    }
  }
  return { records };
}
