import { expect, test } from "vitest";
import { hashSlot } from "../../src/store/hash-slot.ts";

// CRC-16/XMODEM of "123456789" is 0x31c3 (Redis Cluster specification, Appendix A).
test("a key's slot is that of its tag, or of all of it", () => {
  expect(hashSlot("123456789")).toBe(0x31c3);
  expect(hashSlot("foo")).toBe(12_182);
  expect(hashSlot("forebay:{foo}:v:bar")).toBe(12_182);
  expect(hashSlot("{foo}{bar}")).toBe(12_182);
  expect(hashSlot("foo{}{bar}")).toBe(8363);
});
