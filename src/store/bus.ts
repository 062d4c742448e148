// What sidecars tell one another beside the fence: messages on named subjects, by Redis' pub/sub. Nobody waits for them
// and nothing depends on them: while Redis is away they are lost, and afterwards it is listened to again.

import type { Hear, Line } from "./connections.ts";

export interface Bus {
  /** Tells everybody who listens to `subject`, this process too. How many did, as far as Redis knows. Rejects where it does not answer. */
  publish(subject: string, message: string): Promise<number>;
  /** Hears what is told about `subject`, as long as the process lives. */
  listen(subject: string, hear: Hear): void;
}

interface BusOptions {
  /** That the subscriptions are on. */
  readonly subscriber: Pick<Line, "subscribe">;
  /** That invalidations are sent on, so that what is told after one is heard after it. */
  readonly line: Pick<Line, "send">;
  /** The channel of a subject. */
  channel(subject: string): string;
}

export function createBus({ subscriber, line, channel }: BusOptions): Bus & { resubscribe(): void } {
  const subjects = new Map<string, Hear>();

  // What could not be listened to now is when the connection has been made anew.
  function subscribe(subject: string, hear: Hear): void {
    subscriber.subscribe(channel(subject), hear).catch(() => {});
  }

  return {
    publish: async (subject, message) => Number(await line.send(["PUBLISH", channel(subject), message])),
    listen(subject, hear) {
      subjects.set(subject, hear);
      subscribe(subject, hear);
    },
    resubscribe() {
      for (const [subject, hear] of subjects) subscribe(subject, hear);
    },
  };
}
