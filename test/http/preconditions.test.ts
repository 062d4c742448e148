import { describe, expect, it } from "vitest";
import { formatHttpDate } from "../../src/http/date.ts";
import { evaluatePreconditions, type Selected } from "../../src/http/preconditions.ts";
import fc from "../support/fast-check.ts";

const MODIFIED = Date.UTC(2026, 10, 20, 12, 0, 0);
const at = (offsetMs: number) => formatHttpDate(MODIFIED + offsetMs);
const strong: Selected = { etag: '"xyzzy"', lastModified: MODIFIED };
const weak: Selected = { etag: 'W/"xyzzy"', lastModified: MODIFIED };

function get(selected: Selected, ...fields: string[]) {
  return evaluatePreconditions({ method: "GET", fields }, selected);
}
function put(selected: Selected, ...fields: string[]) {
  return evaluatePreconditions({ method: "PUT", fields }, selected);
}

describe("If-None-Match", () => {
  it.each([
    ['"xyzzy"'],
    ['W/"xyzzy"'],
    ['"xyzzy", "r2d2xxxx", "c3piozzzz"'],
    ['"r2d2xxxx" , W/"xyzzy"'],
    [',, "r2d2xxxx",,"xyzzy",'],
    ['"a, b", "xyzzy"'],
    ['"a\\", "xyzzy"'], // a backslash escapes nothing in an entity tag
    ["*"],
    [" * "],
  ])("%s is not modified, whether the tag here is strong or weak", (value) => {
    expect(get(strong, "If-None-Match", value)).toBe("not-modified");
    expect(get(weak, "If-None-Match", value)).toBe("not-modified");
  });

  it.each([
    ['"other"'],
    ['"XYZZY"'],
    ['w/"xyzzy"'],
    ["xyzzy"],
    ['"xyzzy'],
    ['"xyzzy"x'],
    ['"a, "xyzzy"'],
    ['"a,"xyzzy""'],
    [""],
    ['"*"'],
  ])("%s is a match for nothing here", (value) => {
    expect(get(strong, "If-None-Match", value)).toBe("proceed");
  });

  it("does not match inside another tag that has commas in it", () => {
    expect(get({ etag: '"b"' }, "If-None-Match", '"a,b,c"')).toBe("proceed");
    expect(get({ etag: '"a, b"' }, "If-None-Match", '"x", "a, b"')).toBe("not-modified");
  });

  it("takes many lines for one list", () => {
    expect(get(strong, "If-None-Match", '"a"', "if-none-match", '"xyzzy"')).toBe("not-modified");
  });

  it("matches an unquoted tag of the origin only by the very same text", () => {
    expect(get({ etag: "abc" }, "If-None-Match", "abc")).toBe("not-modified");
    expect(get({ etag: "abc" }, "If-None-Match", '"abc"')).toBe("proceed");
  });

  it("has only * to match where there is no tag", () => {
    expect(get({}, "If-None-Match", '"a"')).toBe("proceed");
    expect(get({}, "If-None-Match", "*")).toBe("not-modified");
  });

  it("fails methods other than GET and HEAD", () => {
    expect(put(strong, "If-None-Match", "*")).toBe("failed");
    expect(put(strong, "If-None-Match", '"other"')).toBe("proceed");
    expect(evaluatePreconditions({ method: "HEAD", fields: ["If-None-Match", "*"] }, strong)).toBe("not-modified");
    expect(evaluatePreconditions({ method: "get", fields: ["If-None-Match", "*"] }, strong)).toBe("failed");
  });
});

describe("If-Modified-Since", () => {
  it("compares with the modification date in whole seconds", () => {
    expect(get(strong, "If-Modified-Since", at(0))).toBe("not-modified");
    expect(get(strong, "If-Modified-Since", at(1000))).toBe("not-modified");
    expect(get(strong, "If-Modified-Since", at(-1000))).toBe("proceed");
    expect(get({ lastModified: MODIFIED + 999 }, "If-Modified-Since", at(0))).toBe("not-modified");
  });

  it("is ignored where there is If-None-Match, matching or not, even an empty one", () => {
    expect(get(strong, "If-Modified-Since", at(0), "If-None-Match", '"other"')).toBe("proceed");
    expect(get(strong, "If-Modified-Since", at(-1000), "If-None-Match", '"xyzzy"')).toBe("not-modified");
    expect(get(strong, "If-Modified-Since", at(0), "If-None-Match", "")).toBe("proceed");
  });

  it("is ignored unless it is one valid date", () => {
    for (const value of ["", "0", "yesterday", `${at(0)}; length=12`]) {
      expect(get(strong, "If-Modified-Since", value)).toBe("proceed");
    }
    expect(get(strong, "If-Modified-Since", at(0), "If-Modified-Since", at(0))).toBe("proceed");
  });

  it("is ignored for other methods, and where nothing says when the representation was modified", () => {
    expect(put(strong, "If-Modified-Since", at(0))).toBe("proceed");
    expect(get({ etag: '"a"' }, "If-Modified-Since", at(0))).toBe("proceed");
  });
});

describe("If-Match", () => {
  it("compares strongly", () => {
    expect(put(strong, "If-Match", '"a", "xyzzy"')).toBe("proceed");
    expect(put(strong, "If-Match", "*")).toBe("proceed");
    expect(put(strong, "If-Match", 'W/"xyzzy"')).toBe("failed");
    expect(put(weak, "If-Match", 'W/"xyzzy"')).toBe("failed");
    expect(put(weak, "If-Match", '"xyzzy"')).toBe("failed");
    expect(put(strong, "If-Match", '"other"')).toBe("failed");
    expect(put(strong, "If-Match", "")).toBe("failed");
    expect(put({}, "If-Match", '"a"')).toBe("failed");
    expect(put({ etag: "abc" }, "If-Match", "abc")).toBe("failed");
  });

  it("comes before everything else (§13.2.2)", () => {
    expect(get(strong, "If-None-Match", '"xyzzy"', "If-Match", '"other"')).toBe("failed");
    expect(get(strong, "If-None-Match", '"xyzzy"', "If-Match", '"xyzzy"')).toBe("not-modified");
    expect(get(strong, "If-Unmodified-Since", at(-1000), "If-Match", '"xyzzy"')).toBe("proceed");
  });
});

describe("If-Unmodified-Since", () => {
  it("fails what was modified later", () => {
    expect(put(strong, "If-Unmodified-Since", at(-1000))).toBe("failed");
    expect(put(strong, "If-Unmodified-Since", at(0))).toBe("proceed");
    expect(get(strong, "If-Unmodified-Since", at(-1000), "If-None-Match", '"xyzzy"')).toBe("failed");
  });

  it("is ignored without a valid date or a modification date", () => {
    expect(put(strong, "If-Unmodified-Since", "never")).toBe("proceed");
    expect(put({ etag: '"a"' }, "If-Unmodified-Since", at(-1000))).toBe("proceed");
  });
});

it("a request without preconditions proceeds", () => {
  expect(get(strong, "Range", "bytes=0-1", "If-Range", '"other"')).toBe("proceed");
});

it("never throws, and takes time in proportion to the list's length", () => {
  const name = fc.constantFrom("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since");
  const unit = fc.constantFrom('"', ",", "W/", "*", "a", " ", "\\");
  fc.assert(
    fc.property(name, fc.string({ unit }), fc.string({ unit }), (each, value, etag) => {
      expect(["proceed", "not-modified", "failed"]).toContain(get({ etag, lastModified: 0 }, each, value));
    }),
  );
  for (const hostile of ['"', '",', ',"a', " "]) get(strong, "If-None-Match", hostile.repeat(50_000));
});
