import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { crc32 } from "node:zlib";
import { describe, expect, it } from "vitest";
import { responseCodec } from "../../src/cache/codec.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import type { Stored } from "../../src/store/store.ts";
import fc from "../support/fast-check.ts";
import { aStored, NOW } from "./example.ts";

const aKept = (more: Partial<StoredResponse> = {}): Stored<StoredResponse> => ({
  value: aStored(more),
  stamp: 1_768_478_400_000_001,
  tags: ["path:example.com/", "route:all"],
  freshUntil: NOW + 60_000,
  keepUntil: NOW + 90_000,
});

const text = fc.oneof(fc.string(), fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) }));
const time = fc.integer({ min: 0, max: 2 ** 43 });
const seconds = fc.oneof(fc.nat(), fc.double({ min: 0, max: 2 ** 31, noNaN: true }));
const kept: fc.Arbitrary<Stored<StoredResponse>> = fc.record({
  stamp: fc.maxSafeNat(),
  tags: fc.array(text),
  freshUntil: time,
  keepUntil: time,
  by: fc.option(text, { nil: undefined }),
  value: fc.record({
    status: fc.integer({ min: 200, max: 599 }),
    fields: fc.array(fc.tuple(text, text)).map((list) => list.flat()),
    body: fc.uint8Array({ maxLength: 200 }),
    requestTime: time,
    responseTime: time,
    initialAge: seconds,
    lifetime: seconds,
    staleWhileRevalidate: seconds,
    staleIfError: seconds,
    alwaysValidate: fc.boolean(),
    mustRevalidate: fc.boolean(),
    targeted: fc.option(text, { nil: undefined }),
    ownTags: fc.array(text),
    etag: fc.option(text, { nil: undefined }),
    lastModified: fc.option(text, { nil: undefined }),
    names: fc.array(text),
  }),
});

describe("responseCodec", () => {
  it("brings any response back byte for byte", () => {
    fc.assert(
      fc.property(kept, (stored) => {
        expect(responseCodec.decode(responseCodec.encode(stored))).toEqual({
          ...stored,
          value: { ...stored.value, body: Buffer.from(stored.value.body) },
        });
      }),
      { numRuns: 500 },
    );
  });

  it("keeps field values with bytes beyond ASCII, and text that is no Unicode", () => {
    const fields = ["X-A", "caf\u00e9 \u00ff\u0080", "X-B", "\ud800", "X-C", '"\\\u0000'];
    expect(responseCodec.decode(responseCodec.encode(aKept({ fields })))?.value.fields).toEqual(fields);
  });

  it("does not copy the body when decoding, wherever the bytes stand", () => {
    const encoded = responseCodec.encode(aKept());
    const around = new Uint8Array(encoded.byteLength + 7);
    around.set(encoded, 3);
    const decoded = responseCodec.decode(around.subarray(3, 3 + encoded.byteLength));
    expect(new TextDecoder().decode(decoded?.value.body)).toBe("ok");
    expect(decoded?.value.body.buffer).toBe(around.buffer);
  });

  it("notices any byte changed", () => {
    fc.assert(
      fc.property(kept, fc.nat(), fc.integer({ min: 1, max: 255 }), (stored, at, change) => {
        const bytes = responseCodec.encode(stored);
        const i = at % bytes.byteLength;
        bytes[i] = (bytes[i] ?? 0) ^ change;
        expect(responseCodec.decode(bytes)).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });

  it("notices every single bit changed", () => {
    const bytes = responseCodec.encode(aKept());
    for (let bit = 0; bit < bytes.byteLength * 8; bit++) {
      const damaged = Uint8Array.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(responseCodec.decode(damaged)).toBeUndefined();
    }
  });

  it("notices bytes lost and bytes added", () => {
    const bytes = responseCodec.encode(aKept());
    for (let length = 0; length < bytes.byteLength; length++) {
      expect(responseCodec.decode(bytes.subarray(0, length))).toBeUndefined();
      expect(responseCodec.decode(bytes.subarray(bytes.byteLength - length))).toBeUndefined();
    }
    expect(responseCodec.decode(Buffer.concat([bytes, Buffer.from([0])]))).toBeUndefined();
  });

  it("notices a body of another length, even with the right checksum", () => {
    const longer = Buffer.concat([responseCodec.encode(aKept()), Buffer.from("!")]);
    longer.writeUInt32BE(crc32(longer.subarray(5)), 1);
    expect(responseCodec.decode(longer)).toBeUndefined();
  });

  it("reads what another wrote as nothing stored, even with the right checksum", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(responseCodec.decode(bytes)).toBeUndefined();
      }),
    );
    const strange = { ...aKept(), stamp: Number.NaN };
    expect(responseCodec.decode(responseCodec.encode(strange))).toBeUndefined();
    expect(responseCodec.decode(responseCodec.encode(aKept({ fields: ["odd"] })))).toBeUndefined();
  });

  it("counts at least the bytes of body and texts as its size", () => {
    const small = responseCodec.size(aKept());
    expect(responseCodec.size(aKept({ body: new Uint8Array(5000) }))).toBe(small - 2 + 5000);
    expect(small).toBeGreaterThan(responseCodec.encode(aKept()).byteLength);
  });

  it("reads on Deno what it wrote on Node", () => {
    const encoded = Buffer.from(responseCodec.encode(aKept({ etag: '"é"' }))).toString("base64");
    const script = `
      import { Buffer } from "node:buffer";
      import { responseCodec } from "./src/cache/codec.ts";
      const stored = responseCodec.decode(Buffer.from("${encoded}", "base64"));
      console.log(stored.value.etag, Buffer.from(responseCodec.encode(stored)).toString("base64") === "${encoded}");
    `;
    const output = execFileSync("node_modules/.bin/deno", ["eval", "--ext=ts", script], {
      cwd: new URL("../..", import.meta.url),
    });
    expect(output.toString().trim()).toBe('"é" true');
  });
});
