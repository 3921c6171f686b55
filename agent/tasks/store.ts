import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
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
/** Records are encoded up to this many bytes a turn of the event loop, which takes some 5 ms. */
const ENCODED_BYTES_PER_TURN = 64 * 1024;

interface Stored {
  record: TaskRecord;
  /** As in the file, or on its way there; absent until first encoded. */
  bytes?: Uint8Array;
  /** The record is newer than the bytes. */
  stale: boolean;
}

export function createTaskStore(stateDir: string): TaskStore {
  const path = join(stateDir, 'tasks.pb');
  const stored = new Map<string, Stored>();
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let dirty = false; // something may have changed
  let unwritten = false; // something has
  let problem: string | undefined;
  let damage: string | undefined;

  const write = async () => {
    dirty = false;
    await encodeStale();
    if (!unwritten) return;
    unwritten = false;
    const writer = new BinaryWriter();
    for (const { bytes } of stored.values()) if (bytes) writer.bytes(bytes);
    try {
      await writeFileAtomic(path, writer.finish(), 0o600);
      problem = undefined;
    } catch (error) {
      dirty = true;
      unwritten = true;
      problem = `the tasks of this node cannot be written to ${path}: ${errorText(error)}`;
      schedule();
    }
  };
  /** Encodes what is new, with a turn for everything else in between. What comes meanwhile asks for the next write. */
  const encodeStale = async () => {
    let encoded = 0;
    for (const entry of stored.values()) {
      if (!entry.stale) continue;
      const bytes = toBinary(TaskRecordSchema, entry.record);
      entry.stale = false;
      if (!entry.bytes || Buffer.compare(entry.bytes, bytes) !== 0) unwritten = true;
      entry.bytes = bytes;
      encoded += bytes.length;
      if (encoded < ENCODED_BYTES_PER_TURN) continue;
      encoded = 0;
      await nextTurn();
    }
  };
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    writing = writing.then(() => (dirty ? write() : undefined));
    return writing;
  };
  const schedule = () => {
    // An agent that is told to stop writes what it can; it need not wait for room on the disk.
    timer ??= setTimeout(() => void flush(), WRITE_DELAY_MS).unref();
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
      for (const record of records) stored.set(record.task?.id ?? '', { record, stale: true });
      if (bad !== undefined) {
        await rename(path, `${path}.unreadable`);
        changed(); // what could be read is no longer in the file
        damage = `${path} was damaged (${bad}); ${records.length} tasks could be read, the rest comes from the manager`;
      }
      return records;
    },
    put: (record) => {
      const id = record.task?.id ?? '';
      const known = stored.get(id);
      if (known) Object.assign(known, { record, stale: true });
      else stored.set(id, { record, stale: true });
      changed();
    },
    remove: (taskId) => {
      const known = stored.get(taskId);
      if (!known) return;
      stored.delete(taskId);
      if (known.bytes) unwritten = true;
      changed();
    },
    flush,
    wipe: async () => {
      stored.clear();
      await flush();
      clearTimeout(timer);
      timer = undefined;
      dirty = false;
      unwritten = false;
      await rm(path, { force: true });
    },
    problem: () => problem ?? damage,
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
      if (!record.task?.id || !record.status) throw new Error('a record without a task or its status');
      records.push(record);
    } catch (error) {
      return { records, bad: `at offset ${offset}: ${errorText(error)}` };
    }
  }
  return { records };
}
