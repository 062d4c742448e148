// As on a machine that gives this process no time.

/** Nothing else happens in this process meanwhile. */
export function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
