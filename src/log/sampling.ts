// Which requests get a line where only a share of them does? Those whose ids fall into it, so that all sidecars that a
// request passes keep its line, or none of them does.

/** Whether the request called `id` is one of the `share` (0 to 1) that is kept. */
export function isSampled(id: string, share: number): boolean {
  return hash(id) < share * 2 ** 32;
}

/** FNV-1a of 32 bits, then stirred: ids that count up differ in their last digits alone, and so would their sums. */
function hash(text: string): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) sum = Math.imul(sum ^ text.charCodeAt(i), 0x01000193);
  sum = Math.imul(sum ^ (sum >>> 16), 0x85ebca6b);
  sum = Math.imul(sum ^ (sum >>> 13), 0xc2b2ae35);
  return (sum ^ (sum >>> 16)) >>> 0;
}
