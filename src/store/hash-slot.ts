// Which of the 16,384 slots of a Redis Cluster does a key belong to? CRC-16/XMODEM of what is in its first {braces}, or of
// all of it (Redis Cluster specification, "Key distribution model" and "Hash tags"). Keys here are ASCII.

const SLOTS = 16_384;
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

export function hashSlot(key: string): number {
  const [from, to] = tagIn(key);
  let crc = 0;
  for (let i = from; i < to; i++) {
    crc = ((crc << 8) ^ (TABLE[((crc >> 8) ^ key.charCodeAt(i)) & 0xff] ?? 0)) & 0xffff;
  }
  return crc % SLOTS;
}

/** Where the part that counts begins and ends: `{}` is no tag. */
function tagIn(key: string): [number, number] {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open);
  return close > open + 1 ? [open + 1, close] : [0, key.length];
}
