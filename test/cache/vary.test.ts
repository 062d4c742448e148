import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normalised, varyNames } from "../../src/cache/vary.ts";

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
