import { type OverlayOp, opText } from './op.ts';
import type { OverlayView } from './view.ts';

/** How a pass went. */
export interface PassRecord {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly tookMs: number;
  readonly ops: number;
  /** Text of the op, and the reason. */
  readonly failures: readonly { readonly op: string; readonly reason: string }[];
  /** The first failure of what all endpoints need: nothing can be joined then. */
  readonly linkFailure: string | undefined;
}

/** Failures of one pass that are told: they mostly have one cause. */
const MOST_FAILURES_TOLD = 10;

/** Whom the failures of a pass concern. */
export interface FailureReport {
  readonly told: PassRecord['failures'];
  readonly linkFailure: string | undefined;
  /** The first failure of each endpoint's own links, by endpoint id. */
  readonly portFailures: ReadonlyMap<string, string>;
}

/** A container whose pair cannot be made is no reason to keep others off the network; a row that cannot be written is neither's. */
export function judgeFailures(view: OverlayView, failures: ReadonlyMap<OverlayOp, string>): FailureReport {
  const told = [...failures].slice(0, MOST_FAILURES_TOLD).map(([op, reason]) => ({ op: opText(op), reason }));
  const ports = new Map(view.ports.map(({ inner, endpoint }) => [inner.name, endpoint.endpointId]));
  const portFailures = new Map<string, string>();
  let linkFailure: string | undefined;
  for (const [op, reason] of failures) {
    if ('ip' in op || 'mac' in op) continue;
    const endpointId = 'link' in op ? ports.get(op.link) : undefined;
    if (endpointId === undefined) linkFailure ??= reason;
    else if (!portFailures.has(endpointId)) portFailures.set(endpointId, reason);
  }
  return { told, linkFailure, portFailures };
}
