/**
 * What a worker has to do to be one: the conformance list of spec swarmkit-worker §8, by number, in the words that test
 * names, and the table of what works that is made from their results, carry.
 */
export const CONFORMANCE_ITEMS = {
  1: 'join with the worker token: listed Ready and Active, no manager status, right engine version, within 2 s',
  2: 'join with a digest that is wrong by one character: refused before the token is sent, no node appears',
  3: 'join with a rotated token: refused with the reason, no node appears',
  4: 'join with --availability drain: listed as Drain, no task lands',
  5: 'node inspect: platform, resources, plugins, TLS info, address of the worker',
  6: 'stop the worker abruptly: Down after 13 to 17 s, not before',
  7: 'restart worker process with same state: same node ID Ready again, no second node',
  8: 'dispatcher heartbeat of 20 s: stays Ready, beats slow down, Down after about 60 s',
  9: 'leave, then join again: old ID Down, new ID Ready, containers of the old ID gone',
  10: 'node rm --force while running: removal is reported, retries are slow, the node does not reappear',
  11: 'the leader is killed: Ready within 30 s, tasks keep running, none restarts',
  12: 'the manager of the session is stopped: another within 10 s, all managers are remembered',
  13: 'a third node is promoted and demoted: the list of managers follows, a removed one is no longer dialled',
  14: 'certificates of 1 h: a new serial within 36 min, never anything but Ready',
  15: 'swarm ca --rotate: completes, the new root is on disk, Ready again after a restart of the worker',
  16: 'two rotations in a row converge',
  17: 'a rotation waits for a worker that is offline, and completes when it is back',
  18: 'replicas with a tagged image: states in order, name and labels of the containers',
  19: 'an image that does not exist: Rejected with the reason, tried again about every 5 s',
  20: 'a private image with --with-registry-auth is pulled',
  21: 'a command that exits with 3: Failed, exit code, container id and PID are told',
  22: 'a command that exits with 0: Complete, no restart',
  23: 'a restart delay of 20 s: the replacement sits in Ready, then runs',
  24: 'a health check: Starting until healthy, Failed when unhealthy later',
  25: 'an update of the image, start-first and stop-first: in order, the old task Shutdown',
  26: 'a grace period of 2 s and a process that ignores the signal: killed after 2 s, Shutdown with exit 137',
  27: 'scale down and service rm: containers stopped and removed, no rows left of removed slots',
  28: 'a task that fails 8 times: at most 5 entries per slot, older containers are deleted',
  29: 'drain: tasks Shutdown, none left running; active again: global tasks return',
  30: 'a global service: exactly one task, node id in the container name',
  31: 'replicated and global jobs: Complete, not restarted, run again after a forced update',
  32: 'templates in environment, hostname and mounts: right values, a missing label is Rejected',
  33: 'secrets and configs with owner, mode and target: right files, read-only, not on a persistent disk',
  34: 'a config with the golang template driver is rendered',
  35: 'generic resources: environment of the task, more than there is stays Pending',
  36: 'ports in host mode, chosen and fixed: reported, a fixed one is not given twice',
  37: 'a port of the ingress network is reached through this node without a local task',
  38: 'an overlay network with alias, VIP and DNS round robin: addresses and names',
  39: 'networks host and bridge: scheduled here, right mode',
  40: 'macvlan with the configuration on the node: runs; without it: Rejected with the reason',
  41: 'an attachable overlay: a local container gets an address of the swarm and reaches services',
  42: 'service logs with tail, since, follow, details and timestamps: complete, ends, both streams',
  43: 'service logs of a service with no container here: returns without a warning',
  44: 'service logs of a task that has exited are printed',
  45: 'an engine label or memory changes: inspect shows it within about 20 s, tasks are not disturbed',
  46: 'SIGKILL to the agent while tasks run, then restart: adopted or failed, never two containers for a task',
  47: 'a partition of 60 s: Down, then Ready; stale tasks are shut down, no duplicate of a slot remains',
  48: 'a day with key rotations: overlay traffic goes on',
  49: 'a manager that has renewed its own certificate (no ALPN): the worker still connects',
  50: 'assignments of more than 4 MiB in one message are taken',
  51: 'a relative mount target: Rejected while the controller is resolved',
  52: 'two worker processes with one identity: detected and reported, no crash',
} as const;

export type ConformanceItem = keyof typeof CONFORMANCE_ITEMS;

/** The name of a test of an item: `§8.7 restart worker …`, with what is particular to this test behind a dash. */
export function item(number: ConformanceItem, particular?: string): string {
  const name = `§8.${number} ${CONFORMANCE_ITEMS[number]}`;
  return particular === undefined ? name : `${name} – ${particular}`;
}
