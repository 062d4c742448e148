import { describe, expect, it, test } from "vitest";
import { deliver } from "../../src/cache/delivery.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import { field } from "../../src/http/fields.ts";
import type { Fields, Request } from "../../src/http/message.ts";
import { UpstreamFailure } from "../../src/upstream/failure.ts";
import { createWorld, got, respond } from "../support/world.ts";
import { aRequest, aStored, aVisit, dateIn, NOW } from "./example.ts";

const TEXT = "0123456789";
const FIELDS = [
  ...["Cache-Control", "max-age=60", "Content-Type", "text/plain", "Content-Length", "10", "Date", dateIn(0)],
  ...["ETag", '"a"', "Expires", dateIn(60), "Content-Location", "/a.txt", "Vary", "Accept"],
  ...["Last-Modified", dateIn(-60), "Content-Language", "en", "Server", "s"],
];
const STORED = { fields: FIELDS, body: new TextEncoder().encode(TEXT), etag: '"a"', lastModified: dateIn(-60) };

/** What `asked` gets five seconds after `stored` came. */
function delivered(asked: Fields, stored: Partial<StoredResponse> = {}, request: Partial<Request> = {}) {
  const told = { status: "forebay; hit; ttl=55", now: NOW + 5000 };
  return deliver(aVisit({ request: aRequest("/", asked, request) }), aStored({ ...STORED, ...stored }), told);
}

/** In short: the status and the content. */
async function outcome(...of: Parameters<typeof delivered>): Promise<string> {
  const { status, text } = await got(delivered(...of));
  return `${status} ${text}`.trim();
}

/** `fields` without the lines of `names`. */
const but = (...names: string[]) => FIELDS.filter((_, i) => !names.includes(FIELDS[i - (i % 2)] as string));

describe("the whole", () => {
  const of = aStored(STORED);
  const at = (ms: number, status = "forebay; hit; ttl=55") => deliver(aVisit(), of, { status, now: NOW + ms }).fields;
  const said = (fields: Fields) => [field(fields, "age"), field(fields, "cache-status")];

  test("is told of in the same words, the same object, to all who get it in one second for one reason", () => {
    expect(at(5999)).toBe(at(5000));
  });

  test("is as old as it is for each, and says why each gets it", () => {
    expect(said(at(5000))).toEqual(["5", "forebay; hit; ttl=55"]);
    expect(said(at(6000))).toEqual(["6", "forebay; hit; ttl=55"]);
    expect(said(at(6000, "forebay; hit; ttl=54"))).toEqual(["6", "forebay; hit; ttl=54"]);
    const other = aStored({ ...STORED, fields: ["Server", "another"] });
    const { fields } = deliver(aVisit(), other, { status: "forebay; hit; ttl=54", now: NOW + 6000 });
    expect(field(fields, "server")).toBe("another");
  });
});

describe("the client's conditions (RFC 9111 §4.3.2)", () => {
  it("are answered with 304 where its tag or its date says that it has the response", async () => {
    expect(await outcome([])).toBe(`200 ${TEXT}`);
    expect(await outcome(["If-None-Match", '"b", W/"a"'])).toBe("304");
    expect(await outcome(["If-None-Match", "*"])).toBe("304");
    expect(await outcome(["If-None-Match", '"b"'])).toBe(`200 ${TEXT}`);
    expect(await outcome(["If-Modified-Since", dateIn(-60)])).toBe("304");
    expect(await outcome(["If-Modified-Since", dateIn(-61)])).toBe(`200 ${TEXT}`);
    expect(await outcome(["If-None-Match", '"a"'], {}, { method: "HEAD" })).toBe("304");
  });

  it("by date are ignored beside those by tag, matching or not", async () => {
    expect(await outcome(["If-Modified-Since", dateIn(0), "If-None-Match", '"b"'])).toBe(`200 ${TEXT}`);
    expect(await outcome(["If-Modified-Since", dateIn(-99), "If-None-Match", '"a"'])).toBe("304");
  });

  it("are ignored where the answer without them would be no 2xx (RFC 9110 §13.2.1), and so is Range", async () => {
    expect(await outcome(["If-None-Match", '"a"'], { status: 404 })).toBe(`404 ${TEXT}`);
    expect(await outcome(["If-None-Match", "*", "Range", "bytes=0-1"], { status: 301 })).toBe(`301 ${TEXT}`);
    expect(await outcome(["Range", "bytes=0-1"], { status: 404 })).toBe(`404 ${TEXT}`);
    expect(await outcome(["Range", "bytes=99-"], { status: 203 })).toBe(`203 ${TEXT}`);
  });

  it("by date take a response without a Last-Modified, or with none that can be read, for as old as its Date, or its arrival", async () => {
    for (const lastModified of [undefined, "never"]) {
      const stored = { fields: but("Date").concat("Date", dateIn(-10)), lastModified };
      expect(await outcome(["If-Modified-Since", dateIn(-10)], stored)).toBe("304");
      expect(await outcome(["If-Modified-Since", dateIn(-11)], stored)).toBe(`200 ${TEXT}`);
      expect(await outcome(["If-Modified-Since", dateIn(0)], { fields: but("Date"), lastModified })).toBe("304");
      expect(await outcome(["If-Modified-Since", dateIn(-1)], { fields: but("Date"), lastModified })).toBe(
        `200 ${TEXT}`,
      );
    }
  });
});

describe("a 304 (RFC 9110 §15.4.5)", () => {
  const AGE = ["Age", "5", "Cache-Status", "forebay; hit; ttl=55"];
  const ASKED = ["If-None-Match", "*"];

  it("has the fields that guide caches, Age and Cache-Status, and none that the client has already", () => {
    expect(delivered(ASKED).fields).toEqual([
      ...["Cache-Control", "max-age=60", "Date", dateIn(0), "ETag", '"a"', "Expires", dateIn(60)],
      ...["Content-Location", "/a.txt", "Vary", "Accept", ...AGE],
    ]);
  });

  it("has Last-Modified where there is no ETag", () => {
    const { fields } = delivered(ASKED, { fields: but("ETag"), etag: undefined });
    expect(field(fields, "last-modified")).toBe(dateIn(-60));
    expect(field(fields, "content-type")).toBeUndefined();
  });

  it("keeps what other caches said and are told", () => {
    const fields = ["Cache-Status", "origin; hit", "CDN-Cache-Control", "max-age=9"];
    expect(delivered(ASKED, { fields }).fields).toEqual([...fields, ...AGE]);
  });
});

describe("a Range (RFC 9110 §14.2)", () => {
  const ASKED = ["Range", "bytes=2-4"];

  it("is answered with that part of the stored bytes, not copied", async () => {
    expect(await outcome(ASKED)).toBe("206 234");
    expect(await outcome(["range", "bytes=8-"])).toBe("206 89");
    expect(await outcome(["Range", "bytes=-3"])).toBe("206 789");
    expect(await outcome(["Range", "bytes=0-"])).toBe(`206 ${TEXT}`);
    expect((delivered(ASKED).content as Uint8Array).buffer).toBe(STORED.body.buffer);
  });

  it("has all fields of the whole, but for Content-Range and Content-Length", () => {
    const { fields } = delivered(ASKED);
    expect(fields).toEqual([
      ...but("Content-Length"),
      ...["Content-Range", "bytes 2-4/10", "Content-Length", "3"],
      ...["Age", "5", "Cache-Status", "forebay; hit; ttl=55"],
    ]);
  });

  it("leaves out what was said of the whole content: its digest, and a Content-Range that meant nothing", () => {
    const strange = ["Content-Digest", "sha-256=:AA==:", "Content-MD5", "x", "Content-Range", "bytes 0-9/99"];
    const { fields } = delivered(ASKED, { fields: [...FIELDS, ...strange, "Repr-Digest", "sha-256=:AA==:"] });
    expect(field(fields, "content-range")).toBe("bytes 2-4/10");
    expect(field(fields, "content-digest")).toBeUndefined();
    expect(field(fields, "content-md5")).toBeUndefined();
    expect(field(fields, "repr-digest")).toBe("sha-256=:AA==:");
  });

  it("is ignored on HEAD, in another unit, and malformed", async () => {
    const head = delivered(ASKED, {}, { method: "HEAD" });
    expect([head.status, head.content, field(head.fields, "content-length")]).toEqual([200, undefined, "10"]);
    expect(await outcome(["Range", "items=0-1"])).toBe(`200 ${TEXT}`);
    expect(await outcome(["Range", "bytes=4-2"])).toBe(`200 ${TEXT}`);
    expect(await outcome(ASKED, { body: new Uint8Array() })).toBe("200");
  });

  it("comes after the conditions (§13.2.2)", async () => {
    expect(await outcome([...ASKED, "If-None-Match", '"a"'])).toBe("304");
    expect(await outcome([...ASKED, "If-None-Match", '"b"'])).toBe("206 234");
    expect(await outcome(["Range", "bytes=99-", "If-Modified-Since", dateIn(0)])).toBe("304");
    expect(await outcome([...ASKED, "If-Range", '"b"', "If-None-Match", '"a"'])).toBe("304");
  });

  it("that begins beyond the end is 416, says the length, and is stored by nobody (§15.5.17)", () => {
    const { status, fields } = delivered(["Range", "bytes=10-"]);
    expect(status).toBe(416);
    expect(field(fields, "content-range")).toBe("bytes */10");
    expect(field(fields, "cache-control")).toBe("no-store");
    expect(field(fields, "content-type")).toBe("application/problem+json");
    expect([field(fields, "age"), field(fields, "etag")]).toEqual(["5", undefined]);
    expect(field(fields, "cache-status")).toBe("forebay; hit; ttl=55");
  });
});

describe("If-Range (RFC 9110 §13.1.5)", () => {
  const asked = (ifRange: string, range = "bytes=2-4") => ["Range", range, "If-Range", ifRange];

  it("has the whole sent unless the client's part is of this very response", async () => {
    expect(await outcome(asked('"a"'))).toBe("206 234");
    expect(await outcome(asked('"b"'))).toBe(`200 ${TEXT}`);
    expect(await outcome(asked('W/"a"'), { etag: 'W/"a"' })).toBe(`200 ${TEXT}`);
    expect(await outcome(asked('"b"', "bytes=99-"))).toBe(`200 ${TEXT}`);
    expect(await outcome(asked('"a"', "bytes=99-"))).toMatch(/^416/);
  });

  it("takes a date where Last-Modified is a strong validator", async () => {
    expect(await outcome(asked(dateIn(-60)))).toBe("206 234");
    expect(await outcome(asked(dateIn(-59)))).toBe(`200 ${TEXT}`);
    const fields = but("Date").concat("Date", dateIn(-60));
    expect(await outcome(asked(dateIn(-60)), { fields })).toBe(`200 ${TEXT}`);
  });

  it("spares the client the fields by which it reads the part that it has (§15.3.7)", () => {
    expect(delivered(asked('"a"')).fields).toEqual([
      ...["Cache-Control", "max-age=60", "Date", dateIn(0), "ETag", '"a"', "Expires", dateIn(60)],
      ...["Content-Location", "/a.txt", "Vary", "Accept", "Server", "s"],
      ...["Content-Range", "bytes 2-4/10", "Content-Length", "3", "Age", "5", "Cache-Status", "forebay; hit; ttl=55"],
    ]);
  });

  it("means nothing without Range", async () => {
    expect(await outcome(["If-Range", '"b"'])).toBe(`200 ${TEXT}`);
  });
});

describe("several ranges (RFC 9110 §15.3.7.2)", () => {
  const ASKED = ["Range", "bytes=7-,0-1"];

  it("are parts of one multipart/byteranges, with its own length and no Content-Range", async () => {
    const response = await got(delivered(ASKED));
    const boundary = /^multipart\/byteranges; boundary=([\w-]{30,70})$/.exec(response.field("content-type") ?? "")?.[1];
    const expected = [
      ...[`--${boundary}`, "Content-Type: text/plain", "Content-Range: bytes 7-9/10", "", "789"],
      ...[`--${boundary}`, "Content-Type: text/plain", "Content-Range: bytes 0-1/10", "", "01"],
      ...[`--${boundary}--`, ""],
    ].join("\r\n");
    expect(response.status).toBe(206);
    expect(response.text).toBe(expected);
    expect(response.field("content-length")).toBe(String(expected.length));
    expect(response.field("content-range")).toBeUndefined();
    expect(response.field("etag")).toBe('"a"');
    expect(response.field("last-modified")).toBe(dateIn(-60));
    expect(response.field("age")).toBe("5");
  });

  it("have another boundary in each response, which no body can know", () => {
    const types = [delivered(ASKED), delivered(ASKED)].map(({ fields }) => field(fields, "content-type"));
    expect(types[0]).not.toBe(types[1]);
  });

  it("have their own type also where If-Range spares the rest", async () => {
    const response = await got(delivered([...ASKED, "If-Range", '"a"']));
    expect(response.field("content-type")).toMatch(/^multipart\/byteranges/);
    expect(response.field("last-modified")).toBeUndefined();
    expect(response.text).toContain("Content-Type: text/plain");
  });

  it("are no multipart where one is left", async () => {
    expect(await outcome(["Range", "bytes=0-1,99-"])).toBe("206 01");
    expect(await outcome(["Range", "bytes=0-3,2-5"])).toBe("206 012345");
  });

  it("are ignored where there are too many, and where the response is coded", async () => {
    const many = Array.from({ length: 13 }, (_, i) => `${i * 2}-${i * 2}`);
    const body = new Uint8Array(100).fill(48);
    expect(delivered(["Range", `bytes=${many.join()}`], { body }).status).toBe(200);
    expect(delivered(["Range", `bytes=${many.slice(1).join()}`], { body }).status).toBe(206);
    const fields = [...FIELDS, "Content-Encoding", "gzip"];
    expect(delivered(ASKED, { fields }).status).toBe(200);
    expect(await outcome(["Range", "bytes=0-1"], { fields })).toBe("206 01");
  });
});

describe("through the proxy", () => {
  const ANY = 'routes: [{ path: "/*", cache: {} }]';
  const FRESH = ["Cache-Control", "max-age=60"];
  const PART = { fields: ["Range", "bytes=2-4"] };
  const notModified = () => respond("", { status: 304, fields: ["ETag", '"1"', ...FRESH] });

  test("a request for a part is answered from the whole that is stored, and the origin is not asked", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond(TEXT, { fields: FRESH });
    await world.request("/a");
    world.now += 7000;
    const part = await world.request("/a", PART);
    expect([part.status, part.text, part.field("age")]).toEqual([206, "234", "7"]);
    expect(part.cacheStatus).toBe("forebay; hit; ttl=53");
    expect((await world.request("/a", { fields: ["Range", "bytes=10-"] })).status).toBe(416);
    expect(world.seen).toHaveLength(1);
  });

  test("a request for a part of what is not stored goes forward as it is, and its 206 is not stored", async () => {
    const world = createWorld(ANY);
    const asked = ["Range", "bytes=2-4", "If-Range", '"1"'];
    world.origin = () => respond("234", { status: 206, fields: [...FRESH, "Content-Range", "bytes 2-4/10"] });
    const part = await world.request("/a", { fields: asked });
    expect([part.status, part.text, part.field("content-range")]).toEqual([206, "234", "bytes 2-4/10"]);
    expect(part.cacheStatus).toMatch(/; fwd-status=206; detail=partial$/);
    expect(world.seen[0]?.fields).toEqual(expect.arrayContaining(asked));
    world.origin = () => respond(TEXT, { fields: FRESH });
    expect((await world.request("/a")).text).toBe(TEXT);
    expect(world.seen).toHaveLength(2);
  });

  test("a request for a part of what is not stored waits for nobody, and nobody for it", async () => {
    const world = createWorld(ANY);
    const gates: ((response: ReturnType<typeof respond>) => void)[] = [];
    world.origin = () => new Promise((resolve) => gates.push(resolve));
    const all = [world.request("/a", PART), world.request("/a"), world.request("/a", PART)];
    await new Promise((resolve) => setImmediate(resolve));
    expect(gates).toHaveLength(3);
    for (const gate of gates) gate(respond(TEXT, { fields: FRESH }));
    for (const { text } of await Promise.all(all)) expect(text).toBe(TEXT);
  });

  test("a 416 is not stored either, whatever the origin says of its freshness", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond("", { status: 416, fields: [...FRESH, "Content-Range", "bytes */10"] });
    await world.request("/a", { fields: ["Range", "bytes=99-"] });
    world.origin = () => respond(TEXT, { fields: FRESH });
    expect((await world.request("/a")).text).toBe(TEXT);
  });

  test("an origin that knows no ranges answers with the whole, which is stored for the parts asked for later", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond(TEXT, { fields: FRESH });
    const first = await world.request("/a", PART);
    expect([first.status, first.text]).toEqual([200, TEXT]);
    expect(await world.request("/a", PART)).toMatchObject({ status: 206, text: "234" });
    expect(world.seen).toHaveLength(1);
  });

  test("a part of a stale response is answered from it once it is validated, without the client's Range and If-Range", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond(TEXT, { fields: [...FRESH, "ETag", '"1"'] });
    await world.request("/a");
    world.now += 61_000;
    world.origin = notModified;
    const part = await world.request("/a", { fields: ["Range", "bytes=2-4", "If-Range", '"1"'] });
    expect([part.status, part.text]).toEqual([206, "234"]);
    expect(part.cacheStatus).toContain("fwd=stale; fwd-status=304; stored");
    expect(world.seen[1]?.fields).toEqual(expect.arrayContaining(["If-None-Match", '"1"']));
    expect(world.seen[1]?.fields).not.toContain("Range");
    expect(world.seen[1]?.fields).not.toContain("If-Range");
    expect((await world.request("/a", PART)).cacheStatus).toBe("forebay; hit; ttl=60");
  });

  test("where validation brings another response that is sent and stored whole", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond(TEXT, { fields: [...FRESH, "ETag", '"1"'] });
    await world.request("/a");
    world.now += 61_000;
    world.origin = () => respond("abcdefghij", { fields: [...FRESH, "ETag", '"2"'] });
    expect(await world.request("/a", PART)).toMatchObject({ status: 200, text: "abcdefghij" });
    expect(await world.request("/a", PART)).toMatchObject({ status: 206, text: "cde" });
    expect(world.seen).toHaveLength(2);
  });

  test("many requests for parts of a stale response make one validation", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond(TEXT, { fields: [...FRESH, "ETag", '"1"'] });
    await world.request("/a");
    world.now += 61_000;
    const gate = Promise.withResolvers<ReturnType<typeof respond>>();
    world.origin = () => gate.promise;
    const all = Array.from({ length: 10 }, (_, i) => world.request("/a", { fields: ["Range", `bytes=${i}-${i}`] }));
    await new Promise((resolve) => setImmediate(resolve));
    gate.resolve(notModified());
    expect((await Promise.all(all)).map(({ status, text }) => `${status} ${text}`)).toEqual(
      [...TEXT].map((digit) => `206 ${digit}`),
    );
    expect(world.seen).toHaveLength(2);
  });

  test("a part of a response in its stale-while-revalidate time has the whole of it validated behind", async () => {
    const world = createWorld('routes: [{ path: "/*", cache: { staleWhileRevalidate: 30s } }]');
    world.origin = () => respond(TEXT, { fields: FRESH });
    await world.request("/a");
    world.now += 65_000;
    world.origin = () => respond("abcdefghij", { fields: FRESH });
    expect(await world.request("/a", PART)).toMatchObject({ status: 206, text: "234" });
    await new Promise((resolve) => setImmediate(resolve));
    expect(await world.request("/a", PART)).toMatchObject({ status: 206, text: "cde" });
    expect(world.seen).toHaveLength(2);
  });

  test("a part of a stale response stands in for an error", async () => {
    const world = createWorld('routes: [{ path: "/*", cache: { staleIfError: 10m } }]');
    world.origin = () => respond(TEXT, { fields: FRESH });
    await world.request("/a");
    world.now += 65_000;
    world.origin = () => Promise.reject(new UpstreamFailure("refused"));
    const part = await world.request("/a", PART);
    expect([part.status, part.text]).toEqual([206, "234"]);
    expect(part.cacheStatus).toBe("forebay; hit; ttl=-5; detail=stale-if-error");
  });

  test("a part of what a write has overtaken is validated first", async () => {
    const world = createWorld(ANY);
    world.origin = () => respond(TEXT, { fields: [...FRESH, "ETag", '"1"'] });
    await world.request("/a");
    await world.request("/a", { method: "POST" });
    world.origin = () => respond("abcdefghij", { fields: [...FRESH, "ETag", '"2"'] });
    expect((await world.request("/a", PART)).text).toBe("abcdefghij");
  });
});
