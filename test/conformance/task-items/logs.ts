import { expect, test } from 'vitest';
import { item } from '../items.ts';
import { patiently } from '../patiently.ts';
import type { Services } from '../services.ts';
import type { TaskBed } from '../task-bed.ts';
import { containerOfTask, letGo } from '../worker-containers.ts';

const TEN = 'for i in 1 2 3 4 5 6 7 8 9 10; do echo out $i; done; echo err >&2';
const OUT = Array.from({ length: 10 }, (_, index) => `out ${index + 1}`);
const RUN_ON_AFTER = 'trap "exit 0" TERM; sleep 100000 & wait';

/** `docker service logs`; every call has to end by itself, but those that follow. */
export function logItems(bed: () => TaskBed): void {
  test(item(42, 'all, tail, and both streams'), async () => {
    const { services } = bed();
    await services.create('talker', `${TEN}; ${RUN_ON_AFTER}`, [], { on: 'w1' });
    const task = await services.runningTask('talker');
    const all = await patiently('the log is complete', async () => {
      const logs = await serviceLogs(services, '--raw', 'talker');
      return logs.stderr === 'err\n' && logs;
    });
    expect(all.stdout).toBe(lines(OUT));
    expect((await serviceLogs(services, 'talker')).stdout).toContain(`talker.1.${task.id.slice(0, 12)}`);
    // The fifth from the end of the whole log, whichever stream a line is of.
    const tail = await serviceLogs(services, '--raw', '--tail', '5', 'talker');
    expect((tail.stdout + tail.stderr).trimEnd().split('\n')).toHaveLength(5);
    expect(tail.stdout).toContain('out 10\n');
    expect(await serviceLogs(services, '--raw', '--tail', '0', 'talker')).toEqual({ stdout: '', stderr: '' });
    const ofTask = await serviceLogs(services, '--raw', task.id);
    expect(ofTask).toEqual(all);
    const named = await serviceLogs(services, task.id);
    expect(named.stdout.split('\n')[0]).toMatch(/^talker\.1\.\w+@w1 +\| out 1$/);
  });

  test(item(42, 'timestamps and since'), async () => {
    const { services, w1 } = bed();
    const script = 'echo before; until [ -e /go ]; do sleep 0.1; done; echo after; echo last';
    await services.create('timed', `${script}; ${RUN_ON_AFTER}`, [], { on: 'w1' });
    const task = await services.runningTask('timed');
    await letGo(w1.host, task.containerId);
    const stamped = await patiently('the log is complete', async () => {
      const { stdout } = await serviceLogs(services, '--raw', '--timestamps', 'timed');
      return stdout.endsWith(' last\n') && stdout.trimEnd().split('\n');
    });
    const entries = stamped.map((line) => /^(\S+Z) (.*)$/.exec(line)?.slice(1) ?? []);
    expect(entries.map(([, text]) => text)).toEqual(['before', 'after', 'last']);
    const times = entries.map(([time = '']) => time);
    expect(times).toEqual([...times].sort());
    const since = await serviceLogs(services, '--raw', '--since', times[1] ?? '', 'timed');
    expect(since.stdout).toBe('after\nlast\n');
  });

  test(item(42, 'details'), async () => {
    const { services } = bed();
    const flags = ['--env', 'COLOR=blue', '--container-label', 'shape=round', '--log-driver', 'json-file'];
    const options = ['--log-opt', 'env=COLOR', '--log-opt', 'labels=shape'];
    await services.create('detailed', `echo hello; ${RUN_ON_AFTER}`, [...flags, ...options], { on: 'w1' });
    await services.runningTask('detailed');
    const { stdout } = await patiently('the line is there', async () => {
      const logs = await serviceLogs(services, '--details', 'detailed');
      return logs.stdout !== '' && logs;
    });
    expect(stdout).toMatch(/\| (COLOR=blue,shape=round|shape=round,COLOR=blue) hello\n$/);
  });

  test(item(42, 'terminal'), async () => {
    const { services } = bed();
    await services.create('typed', `${TEN}; ${RUN_ON_AFTER}`, ['--tty'], { on: 'w1' });
    await services.runningTask('typed');
    const whole = lines([...OUT, 'err']).replaceAll('\n', '\r\n');
    await patiently('the log is complete', async () => {
      const { stdout, stderr } = await serviceLogs(services, '--raw', 'typed');
      return stdout === whole && stderr === '';
    });
  });

  test(item(42, 'follow, with new tasks'), async () => {
    const { services, w1 } = bed();
    const script = `echo first $SLOT; until [ -e /go ]; do sleep 0.1; done; echo second $SLOT; ${RUN_ON_AFTER}`;
    await services.create('followed', script, ['--env', 'SLOT={{.Task.Slot}}'], { on: 'w1' });
    const task = await services.runningTask('followed');
    const argv = ['docker', 'service', 'logs', '--raw', '--follow', 'followed'];
    const follower = await services.manager.spawn('service-logs', argv);
    const said = () => follower.log();
    try {
      await patiently('old lines come', () => said().includes('first 1\n'));
      await letGo(w1.host, task.containerId);
      await patiently('new lines come', () => said().includes('second 1\n'));
      await services.manager.docker('service', 'scale', '--detach', 'followed=2');
      await patiently('lines of a new task come', () => said().includes('first 2\n'));
      expect(follower.running).toBe(true);
    } finally {
      await follower.stop();
    }
    expect(said().trimEnd().split('\n').sort()).toEqual(['first 1', 'first 2', 'second 1']);
  });

  test(item(43), async () => {
    const { services, w1 } = bed();
    await services.create('vanished', 'echo words', ['--restart-condition', 'none'], { on: 'w1' });
    const { id } = await services.first('vanished', 'complete');
    await w1.host.docker('rm', (await containerOfTask(w1.host, id)).Id);
    expect(await serviceLogs(services, 'vanished')).toEqual({ stdout: '', stderr: '' });
    expect(await serviceLogs(services, id)).toEqual({ stdout: '', stderr: '' });
  });

  test(item(44), async () => {
    const { services } = bed();
    await services.create('over', 'echo out; echo err >&2; exit 5', ['--restart-condition', 'none'], { on: 'w1' });
    const { id } = await services.first('over', 'failed');
    const expected = { stdout: 'out\n', stderr: 'err\n' };
    expect(await serviceLogs(services, '--raw', 'over')).toEqual(expected);
    expect(await serviceLogs(services, '--raw', id)).toEqual(expected);
  });
}

/** Much longer than any of these takes; a call that hangs is what they are about. */
const HANGS_MS = 45_000;

/** `docker service logs` without following: ends by itself, with exit status 0. */
async function serviceLogs(services: Services, ...args: readonly string[]) {
  const argv = ['docker', 'service', 'logs', ...args];
  const { stdout, stderr, exitCode } = await services.manager.exec(argv, { timeoutMs: HANGS_MS });
  if (exitCode !== 0) throw new Error(`${argv.join(' ')}: exited with ${exitCode}: ${stderr}`);
  return { stdout, stderr };
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
