import type { PublishLogsMessageSchema } from '#proto/gen/swarmkit/logbroker_pb.js';
import type { ClientStream } from '#proto/grpc.ts';
import type { LogMessageInit } from './log-batches.ts';

/** What goes to the manager for one subscription, whatever number of logs it comes from. */
export interface Publisher {
  /** Resolves when there is room for more. @throws the call's error once it has ended; nothing more can be sent then */
  readonly send: (messages: readonly LogMessageInit[]) => Promise<void>;
  /** Says that there is nothing more, after everything sent before. Resolves when the manager has taken it all. */
  readonly close: () => Promise<void>;
}

/**
 * The stream's writes come one after the other: the next sender waits until there is room, so what is in memory is one
 * read of each log and the stream's own buffer.
 */
export function createPublisher(
  stream: ClientStream<typeof PublishLogsMessageSchema>,
  subscriptionId: string,
): Publisher {
  let last: Promise<void> = Promise.resolve();
  const inTurn = (write: () => Promise<void>): Promise<void> => {
    const turn = last.then(write);
    last = turn.catch(() => {}); // its sender is told; the next one finds out by itself
    return turn;
  };

  return {
    send: (messages) => inTurn(() => stream.write({ subscriptionId, messages: [...messages] })),
    close: async () => {
      await inTurn(() => stream.write({ subscriptionId, close: true }));
      // Managers end the call without a response, which grpc-js calls UNIMPLEMENTED. After the close message no result
      // has a meaning (spec swarmkit-worker §6).
      await stream.finish().catch(() => {});
    },
  };
}
