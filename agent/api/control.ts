import type { GossipDetail } from './gossip-facts.ts';
import type { DnsDetail, DriftDetail, LookupDetail, NetworksDetail, PathDetail } from './network-facts.ts';
import type { AgentView, Availability } from './view.ts';

/**
 * What the local API can ask of the running agent. Implemented by the composition root.
 *
 * Failures are NetdErrors: their code, message and mend reach the person at the command line unchanged, so they must not
 * hold tokens or keys.
 */
export interface AgentControl {
  /** What is the case now. Cheap: it is asked several times a second while someone waits for a join. */
  readonly view: () => AgentView;
  /** Every peer and network of the gossip; empty while it does not run. */
  readonly gossip: () => GossipDetail;
  readonly network: NetworkQuestions;
  /**
   * Makes this node part of a swarm. Resolves when the certificate is on disk and the session is being opened; whoever wants
   * to know when the node is Ready watches the view. `signal` aborts when the caller stops waiting, as it does when a person
   * presses Ctrl-C or the time limit has passed; as with `docker swarm join`, the join itself then goes on.
   *
   * @throws NetdError, among others `already-joined`, `join-in-progress`, `bad-token`.
   */
  readonly join: (request: JoinRequest, signal: AbortSignal) => Promise<JoinResult>;
  /**
   * Stops the tasks, removes their containers, wipes the state. Resolves when done. `force` goes on past whatever fails, such
   * as an engine that does not answer.
   *
   * @throws NetdError, among others `not-joined`.
   */
  readonly leave: (request: LeaveRequest) => Promise<boolean>;
}

/** What can be asked of the overlay networks of this host. */
export interface NetworkQuestions {
  readonly networks: () => NetworksDetail;
  readonly dns: () => DnsDetail;
  readonly drift: () => DriftDetail;
  /** @throws NetdError, among others `no-such-container` */
  readonly lookup: (request: LookupRequest) => LookupDetail;
  /** Looks into the kernel. @throws NetdError, among others `no-such-container`, `no-such-name` */
  readonly path: (request: PathRequest) => Promise<PathDetail>;
}

export interface LookupRequest {
  /** Name, task or id of a container of this host. */
  readonly container: string;
  readonly name: string;
  /** Such as `A`. */
  readonly type: string;
}

export interface PathRequest {
  /** Name, task or id of a container of this host. */
  readonly from: string;
  /** Address, or name of a service, task or container. */
  readonly to: string;
}

export interface JoinRequest {
  /** Secret. */
  readonly token: string;
  /** `HOST:PORT` of one or more managers, at least one. */
  readonly addresses: readonly string[];
  /** `IP|INTERFACE[:PORT]`. */
  readonly advertiseAddr: string | null;
  /** `IP|INTERFACE`. */
  readonly dataPathAddr: string | null;
  readonly availability: Availability;
  /** Throws away the state of another or an earlier swarm first. */
  readonly force: boolean;
}

export interface JoinResult {
  readonly nodeId: string;
  readonly clusterId: string;
}

export interface LeaveRequest {
  readonly force: boolean;
}
