// A store that tells of what it does: that a value was put (counted), and what a write invalidated; the values themselves bear
// the name that it tells this under. What purges do is told with their receipts (receipts.ts).

import type { Events } from "./events.ts";
import { named } from "./happenings.ts";
import { andThen, type Soon, type Store, type Write } from "./store.ts";

/** `inner`, whose puts and writes are told to `events`. Looks are `inner`'s own. */
export function createAnnouncingStore<V>(inner: Store<V>, events: Pick<Events, "id" | "tell" | "count">): Store<V> {
  const announced = (write: Write, tags: readonly string[]): Write => ({
    noted: write.noted,
    async commit(end) {
      await write.commit(end);
      events.tell({ kind: "invalidated", ...named([...tags, ...(end?.also ?? [])]) });
    },
    discard: () => write.discard(),
  });
  return {
    ...inner,
    put(key, names, stored) {
      events.count("stored");
      // What is put again with no more than a mark was made by whom it was.
      return inner.put(key, names, stored.by === undefined ? { ...stored, by: events.id } : stored);
    },
    begin: (tags, asker): Soon<Write> => andThen(inner.begin(tags, asker), (write) => announced(write, tags)),
  };
}
