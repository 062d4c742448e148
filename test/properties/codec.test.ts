// The codec: damage of any shape is noticed. (That any response comes back, and that any one byte or bit changed, lost or
// added is noticed, stands in test/cache/codec.test.ts.)

import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import { complete, storing } from "../../src/cache/storing.ts";
import type { Stored } from "../../src/store/store.ts";
import { aPolicy, aRequest, NOW } from "../cache/example.ts";
import fc from "../support/fast-check.ts";

const octets = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 20 });
const fieldName = fc.constantFrom("Content-Type", "ETag", "Last-Modified", "X-A", "x-a", "Link", "Vary", "Server");
const lines = fc.array(
  fc.tuple(fieldName, octets).map(([name, value]) => [name, name === "Vary" ? "accept" : value]),
  { maxLength: 6 },
);
const body = fc.oneof(fc.uint8Array({ maxLength: 300 }), fc.constant(Uint8Array.from({ length: 256 }, (_, i) => i)));

/** Responses as they come to be stored: decided by `storing`, made whole by `complete`. */
const kept = fc
  .record({ fields: lines, body, status: fc.constantFrom(200, 203, 301, 404), stamp: fc.maxSafeNat() })
  .map(({ fields, body, status, stamp }): Stored<ReturnType<typeof complete>> => {
    const response = { status, fields: [...fields.flat(), "Cache-Control", "max-age=60"] };
    const times = { requestTime: NOW, responseTime: NOW, random: () => 0 };
    const verdict = storing({ request: aRequest("/"), response, policy: aPolicy(), ...times });
    if (verdict.kind !== "storable") throw new Error(`expected to be storable: ${verdict.reason}`);
    return {
      value: complete(verdict.stored, body),
      ...{ stamp, tags: ["path:a/", "t"], freshUntil: NOW, keepUntil: NOW },
    };
  });

type Damage = (bytes: Buffer, at: number, length: number, noise: Uint8Array) => Buffer;

const DAMAGES: Readonly<Record<string, Damage>> = {
  "cut off": (bytes, at) => bytes.subarray(0, at),
  "begun late": (bytes, at) => bytes.subarray(at + 1),
  "a piece missing": (bytes, at, length) => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length + 1)]),
  "a piece inserted": (bytes, at, _, noise) => Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]),
  "a piece twice": (bytes, at, length) => Buffer.concat([bytes.subarray(0, at + length + 1), bytes.subarray(at)]),
  "noise behind": (bytes, _at, _length, noise) => Buffer.concat([bytes, noise]),
  "noise before": (bytes, _at, _length, noise) => Buffer.concat([noise, bytes]),
  "a piece overwritten": (bytes, at, _, noise) =>
    Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at + noise.length)]),
  "zeros from there on": (bytes, at) => Buffer.concat([bytes.subarray(0, at), Buffer.alloc(bytes.length - at)]),
  "two pieces swapped": (bytes, at, length) =>
    Buffer.concat([bytes.subarray(at, at + length), bytes.subarray(0, at), bytes.subarray(at + length)]),
  reversed: (bytes) => Buffer.from(bytes).reverse(),
  "as text and back": (bytes) => Buffer.from(bytes.toString("utf8"), "utf8"),
};

describe("the codec", () => {
  it("brings back what was stored, with every octet of fields and content", () => {
    fc.assert(
      fc.property(kept, (stored) => {
        const { value, ...rest } = responseCodec.decode(responseCodec.encode(stored)) ?? { value: undefined };
        expect(rest).toEqual({ stamp: stored.stamp, tags: stored.tags, freshUntil: NOW, keepUntil: NOW });
        expect({ ...value, body: undefined }).toEqual({ ...stored.value, body: undefined });
        expect(Buffer.compare(value?.body ?? Buffer.of(), stored.value.body)).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it.each(Object.keys(DAMAGES))("notices bytes damaged: %s", (name) => {
    const noise = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(kept, fc.nat(), fc.nat(50), noise, (stored, at, length, bytes) => {
        const whole = Buffer.from(responseCodec.encode(stored));
        const damaged = DAMAGES[name]?.(whole, at % whole.length, length, bytes) ?? whole;
        fc.pre(!damaged.equals(whole));
        expect(responseCodec.decode(damaged)).toBeUndefined();
      }),
    );
  });

  it("notices one stored response's head before another's body, and one that lies of its head's length", () => {
    const partsOf = (bytes: Uint8Array) => {
      const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      const bodyAt = 9 + view.readUInt32BE(5);
      return { head: view.subarray(0, bodyAt), body: view.subarray(bodyAt) };
    };
    fc.assert(
      fc.property(kept, kept, fc.integer({ min: 0, max: 2 ** 32 - 1 }), (one, other, lie) => {
        const first = partsOf(responseCodec.encode(one));
        const second = partsOf(responseCodec.encode(other));
        fc.pre(!first.body.equals(second.body));
        expect(responseCodec.decode(Buffer.concat([first.head, second.body]))).toBeUndefined();
        const lying = Buffer.concat([first.head, first.body]);
        fc.pre(lying.readUInt32BE(5) !== lie);
        lying.writeUInt32BE(lie, 5);
        expect(responseCodec.decode(lying)).toBeUndefined();
        lying.writeUInt32BE(crc32(lying.subarray(5)), 1);
        expect(responseCodec.decode(lying)).toBeUndefined();
      }),
    );
  });

  it("reads a head that is some other JSON as nothing stored, even with the right checksum, and never throws", () => {
    const version = responseCodec.encode(fc.sample(kept, 1)[0] as Stored<ReturnType<typeof complete>>)[0] as number;
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), fc.uint8Array({ maxLength: 20 }), (text, content) => {
        const head = Buffer.from(text);
        const bytes = Buffer.concat([Buffer.alloc(9), head, content]);
        bytes[0] = version;
        bytes.writeUInt32BE(head.length, 5);
        bytes.writeUInt32BE(crc32(bytes.subarray(5)), 1);
        expect(responseCodec.decode(bytes)).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });
});
