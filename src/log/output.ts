// How do lines leave the process? Without its ever waiting for their reader: what stdout does not take is kept up to
// 4 MB, then dropped and counted. A full disk or a closed pipe is no reason to end, nor to stop trying.

import type { Writable } from "node:stream";
import { pino } from "pino";

const MAX_PENDING_BYTES = 4 * 1024 * 1024;
const BATCH_LINES = 256;
const BATCH_CHARS = 64 * 1024;
const BATCH_MS = 20;
/** A second, together. */
const FLUSH_TICKS = 10;
const FLUSH_TICK_MS = 100;
const LINE_END = 10;

/** What it writes ends with the end of a line. */
export interface Output<Entry> {
  /** Now, after what was added before. */
  write(lines: string): void;
  /** With others of the next moments. `at`: epoch ms. */
  add(entry: Entry, at: number): void;
  /** What was added becomes lines now. */
  send(): void;
  /** Hears how many lines were dropped, once some are taken again. */
  onDropped(listener: (lines: number) => void): void;
  /** Lines dropped so far. */
  dropped(): number;
  /** As Log.flush. */
  flush(): Promise<boolean>;
}

interface OutputOptions<Entry> {
  /** A file descriptor. */
  readonly destination: number;
  /** One line. */
  readonly lineOf: (entry: Entry, at: number) => string;
}

/**
 * Entries become lines by the batch, and at once bytes: when its request ends, what makes a line has left the processor's
 * cache, and a line that waits as text made of pieces has left it when it is written. The stream gets bytes because it
 * goes through a text four times.
 */
export function createOutput<Entry>({ destination, lineOf }: OutputOptions<Entry>): Output<Entry> {
  const stream = openStream(destination);
  let entries: Entry[] = [];
  let times: number[] = [];
  let timer: NodeJS.Timeout | undefined;
  let dropped = 0;
  let told = 0;
  // Its type says text; with contentMode "buffer" it takes bytes.
  const hand = (lines: string) => (stream as unknown as Pick<Writable, "write">).write(Buffer.from(lines));
  stream.on("drop", (lines: Uint8Array) => {
    for (const byte of lines) if (byte === LINE_END) dropped += 1;
  });
  function send(): void {
    clearTimeout(timer);
    timer = undefined;
    if (entries.length === 0) return;
    const batch = entries;
    const at = times;
    entries = [];
    times = [];
    let lines = "";
    for (let i = 0; i < batch.length; i++) {
      lines += lineOf(batch[i] as Entry, at[i] as number);
      // What is handed over together is dropped together.
      if (lines.length < BATCH_CHARS && i < batch.length - 1) continue;
      hand(lines);
      lines = "";
    }
  }
  return {
    write(lines) {
      send();
      hand(lines);
    },
    add(entry, at) {
      entries.push(entry);
      times.push(at);
      if (entries.length >= BATCH_LINES) send();
      else timer ??= setTimeout(send, BATCH_MS);
    },
    send,
    onDropped(listener) {
      stream.on("drain", () => {
        const lines = dropped - told;
        told = dropped;
        if (lines > 0) listener(lines);
      });
    },
    dropped: () => dropped,
    flush() {
      send();
      return flushed(stream);
    },
  };
}

function openStream(dest: number): ReturnType<typeof pino.destination> {
  // minLength 1: with 0 its flush() does not wait for what is being written.
  const stream = pino.destination({
    dest,
    sync: false,
    minLength: 1,
    maxLength: MAX_PENDING_BYTES,
    contentMode: "buffer",
  });
  stream.on("error", () => {});
  return stream;
}

/** Where nobody reads, the stream is destroyed: it would be waited for once more at exit. */
function flushed(stream: ReturnType<typeof pino.destination>): Promise<boolean> {
  return new Promise((resolve) => {
    // Ticks, not a time: a process that stood still has heard of nothing meanwhile.
    let left = FLUSH_TICKS;
    let timer = setTimeout(function tick() {
      left -= 1;
      if (left > 0) {
        timer = setTimeout(tick, FLUSH_TICK_MS);
        return;
      }
      stream.destroy();
      resolve(false);
    }, FLUSH_TICK_MS);
    stream.flush(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}
