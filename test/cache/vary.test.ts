import { describe, expect, it } from "vitest";
import { normalised, varyNames } from "../../src/cache/vary.ts";
import type { Fields } from "../../src/http/message.ts";
import fc from "../support/fast-check.ts";
import { createWorld, respond } from "../support/world.ts";

describe("varyNames (RFC 9111 §4.1)", () => {
  it("has the names of all lines in lower case, sorted, each once", () => {
    expect(varyNames(["Vary", "Accept-Encoding, Cookie", "vary", "ACCEPT,cookie,,"])).toEqual([
      "accept",
      "accept-encoding",
      "cookie",
    ]);
    expect(varyNames(["Content-Type", "text/plain"])).toEqual([]);
    expect(varyNames(["Vary", ""])).toEqual([]);
  });

  it("is * wherever the * stands", () => {
    for (const value of ["*", "a, *", "*,a", " , *"]) expect(varyNames(["Vary", value])).toBe("*");
    expect(varyNames(["Vary", "a", "Vary", "*"])).toBe("*");
  });

  it("is * where a member is no field name: no request can be known to match", () => {
    for (const value of ["a b", '"a, b"', "(a)", "a;b"]) expect(varyNames(["Vary", value])).toBe("*");
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (value) => void varyNames(["vary", value])));
  });
});

describe("normalised Accept-Encoding", () => {
  const classOf = (value: string) => normalised("accept-encoding", ["Accept-Encoding", value]);

  it("is the set of known codings that are acceptable, whatever their order, weight and spelling", () => {
    expect(classOf("gzip, deflate, br, zstd")).toBe("br, deflate, gzip, zstd");
    expect(classOf("BR;q=0.1 , gzip;q=1.000")).toBe("br, gzip");
    expect(classOf("x-gzip, dcb, dcz")).toBe("gzip");
  });

  it("leaves out what is refused with a weight of zero (RFC 9110 §12.4.2)", () => {
    expect(classOf("gzip;q=0, br")).toBe("br");
    expect(classOf("gzip ; Q=0.000")).toBe("identity");
  });

  it("takes a weight that cannot be read for a refusal", () => {
    for (const q of ["1.5", "-1", "abc", "", "0.0000"]) expect(classOf(`gzip;q=${q}`)).toBe("identity");
  });

  it("lets * stand for all that are not named", () => {
    expect(classOf("*")).toBe("br, deflate, gzip, zstd");
    expect(classOf("br;q=0, *")).toBe("deflate, gzip, zstd");
    expect(classOf("gzip, *;q=0")).toBe("gzip, !identity");
    expect(classOf("gzip, identity, *;q=0")).toBe("gzip");
  });

  it("tells whether the response may come without a coding", () => {
    expect(classOf("br, identity;q=0")).toBe("br, !identity");
    expect(classOf("identity;q=0")).toBe("!identity");
    expect(classOf("")).toBe("identity");
    expect(classOf("identity")).toBe("identity");
  });

  it("is undefined where the field is absent: then any coding is acceptable", () => {
    expect(normalised("accept-encoding", [])).toBeUndefined();
  });

  it("has at most 32 values, never throws, and answers the same twice", () => {
    const classes = new Set<string | undefined>();
    const member = fc.oneof(
      fc.constantFrom("gzip", "br;q=0", "*;q=0", "*", "identity;q=0", "zstd;q=0.3", "deflate"),
      fc.string({ unit: "binary" }),
    );
    fc.assert(
      fc.property(fc.array(member), (list) => {
        const value = list.join(",");
        const first = classOf(value);
        classes.add(first);
        return classOf(value) === first;
      }),
      { numRuns: 2000 },
    );
    expect(classes.size).toBeLessThanOrEqual(32);
  });
});

describe("normalised, other fields", () => {
  it("ignores case and spaces in Accept-Language, and keeps its order", () => {
    const languages = (value: string) => normalised("accept-language", ["accept-language", value]);
    expect(languages("DE-at ,de ; q=0.8")).toBe(languages("de-AT,de;q=0.8"));
    expect(languages("de, en")).not.toBe(languages("en, de"));
  });

  it("joins the lines of any other field and keeps its case", () => {
    expect(normalised("x-a", ["X-A", " B", "x-a", "c "])).toBe("B, c");
    expect(normalised("x-a", ["X-A", ""])).toBe("");
  });
});

describe("which of several stored responses is selected (RFC 9111 §4.1)", () => {
  const FRESH = ["Cache-Control", "max-age=60"];

  /** A world whose origin answers with the next version each time, and with the Vary told last. */
  function versions() {
    const world = createWorld('routes: [{ path: "/*", cache: {} }]');
    let version = 0;
    let vary: string | undefined;
    world.origin = () => respond(`v${++version}`, { fields: vary === undefined ? FRESH : [...FRESH, "Vary", vary] });
    const ask = async (fields: Fields) => (await world.request("/a", { fields })).text;
    return {
      world,
      /** What a request with these fields gets; the origin, if asked, states `names`. */
      get: (fields: Fields, names?: string) => {
        vary = names;
        return ask(fields);
      },
    };
  }
  const by = (color: string, size: string) => ["Color", color, "Size", size];

  it("is one whose request had the same fields in all that its Vary names, and no other", async () => {
    const { get } = versions();
    expect(await get(by("red", "s"), "Color, Size")).toBe("v1");
    expect(await get(by("red", "s"))).toBe("v1");
    expect(await get(by("red", "l"), "Color, Size")).toBe("v2");
    expect(await get(["Color", "red"], "Color, Size")).toBe("v3");
    expect(await get(["Size", "s"], "Color, Size")).toBe("v4");
    expect(await get([], "Color, Size")).toBe("v5");
    expect(await get(["Size", "s", "Color", "red", "Other", "x"])).toBe("v1");
  });

  it("takes several lines of a field for one, in Vary and in the request", async () => {
    const { world, get } = versions();
    world.origin = () => respond("v1", { fields: [...FRESH, "Vary", "Color", "vary", "SIZE"] });
    await get(["Color", "red, blue", "Size", "s"]);
    expect(await get(["color", "red", "Color", "blue", "Size", "s"])).toBe("v1");
    expect(world.seen).toHaveLength(1);
    await get(["Color", "red, blue", "Size", "l"]);
    expect(world.seen).toHaveLength(2);
  });

  it("is never one whose Vary has a * anywhere", async () => {
    for (const vary of ["*", "Color, *", "*, Color", ", *"]) {
      const { get } = versions();
      expect([await get(by("red", "s"), vary), await get(by("red", "s"), vary)]).toEqual(["v1", "v2"]);
    }
  });

  it("is the one with a Vary, where a later response omits it: that stands in for its own request alone", async () => {
    const { get } = versions();
    expect(await get(["Color", "red"], "Color")).toBe("v1");
    expect(await get(["Color", "blue"], undefined)).toBe("v2");
    expect(await get(["Color", "red"])).toBe("v1");
    expect(await get(["Color", "blue"])).toBe("v2");
    expect(await get(["Color", "green"], "Color")).toBe("v3");
  });

  it("is never one without Vary, where a later response has one: what it was selected by is not known", async () => {
    const { get } = versions();
    expect(await get(["Color", "red"], undefined)).toBe("v1");
    expect(await get(["Color", "blue"])).toBe("v1");
    const noCache = ["Cache-Control", "no-cache"];
    expect(await get(["Color", "blue", ...noCache], "Color")).toBe("v2");
    expect(await get(["Color", "blue"])).toBe("v2");
    expect(await get(["Color", "red"], "Color")).toBe("v3");
  });

  it("is the most recent one of those that one request could have brought", async () => {
    const { world, get } = versions();
    expect(await get(by("red", "s"), "Color")).toBe("v1");
    world.now += 120_000;
    expect(await get(by("red", "s"), "Color, Size")).toBe("v2");
    expect(await get(by("red", "l"), "Color")).toBe("v3");
    expect(await get(by("red", "s"))).toBe("v2");
    world.now += 120_000;
    expect(await get(by("red", "s"), "Color")).toBe("v4");
    expect(await get(by("red", "s"))).toBe("v4");
  });

  it("is never an older one come back, once the names have changed and changed again", async () => {
    const { world, get } = versions();
    const ten = (letter: string) => Array.from({ length: 10 }, (_, i) => `${letter}${i}`).join();
    expect(await get(["a1", "x"], ten("a"))).toBe("v1");
    expect(await get(["a1", "y"], ten("b"))).toBe("v2"); // twenty in all: too many, so it begins anew
    expect(await get(["a1", "x"])).toBe("v2");
    expect(await get(["b1", "y"], ten("a"))).toBe("v3");
    expect(await get(["a1", "x"], ten("a"))).toBe("v4");
    expect(world.seen).toHaveLength(4);
  });

  it("is not stored with more than ten names of its own", async () => {
    const { get } = versions();
    const eleven = Array.from({ length: 11 }, (_, i) => `a${i}`).join();
    expect([await get([], eleven), await get([], eleven)]).toEqual(["v1", "v2"]);
  });

  it("is one of 64 at the most: the oldest variant of a key is evicted", async () => {
    const { get } = versions();
    for (let i = 0; i < 65; i++) await get(["Color", `${i}`], "Color");
    expect(await get(["Color", "1"])).toBe("v2");
    expect(await get(["Color", "0"], "Color")).toBe("v66");
  });
});
