import { describe, expect, it } from "vitest";
import { readDocument, type Source } from "../../src/config/document.ts";
import { ConfigError } from "../../src/config/mistakes.ts";

function read(text: string, environment: Record<string, string> = {}): Source {
  return readDocument(text, "f.yaml", environment);
}

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "";
}

describe("a YAML text", () => {
  it("is read as plain values with text keys, whatever the keys are called", () => {
    const { value } = read("404: 10s\n__proto__: { a: 1 }\nb: [1, true, ~, 0x10, text]");
    expect(Object.entries(value as object)).toEqual([
      ["404", "10s"],
      ["__proto__", expect.objectContaining({ a: 1 })],
      ["b", [1, true, null, 16, "text"]],
    ]);
  });

  it("knows where keys and items stand; a missing one stands where its parent does", () => {
    const source = read("a:\n  - b: 1\n    c: 2\n  - d\n");
    expect(source.placeOf(["a", 0, "c"])).toEqual({ line: 3, column: 5 });
    expect(source.placeOf(["a", 1])).toEqual({ line: 4, column: 5 });
    expect(source.placeOf(["a", 0, "missing", "deeper"])).toEqual({ line: 2, column: 5 });
    expect(source.placeOf(["missing"])).toEqual({ line: 1, column: 1 });
  });

  it("counts lines the same with CRLF and a byte order mark", () => {
    const source = read("\ufeffa: 1\r\nb: 2\r\n");
    expect(source.value).toEqual({ a: 1, b: 2 });
    expect(source.placeOf(["b"])).toEqual({ line: 2, column: 1 });
  });

  it("follows aliases and merge keys, what is written winning over what is merged", () => {
    const source = read("x: &x { a: 1, b: 2 }\ny: { <<: *x, b: 3 }\nz: { <<: [*x, { c: 4 }] }\n");
    expect(source.value).toEqual({ x: { a: 1, b: 2 }, y: { a: 1, b: 3 }, z: { a: 1, b: 2, c: 4 } });
    expect(source.placeOf(["y", "a"])).toEqual({ line: 1, column: 9 });
    expect(source.mistakes).toEqual([]);
  });

  it("may use one anchor many times", () => {
    const uses = Array.from({ length: 500 }, () => "- *x").join("\n");
    expect(read(`x: &x { a: 1 }\nlist:\n${uses}`).mistakes).toEqual([]);
  });

  it.each([
    ["an alias of nothing", "a: *x", "no &x stands above *x; write one"],
    ["an alias of itself", "a: &x [*x]", "no &x stands above *x; write one"],
    ["a merge of text", "<<: text", "takes nothing but mappings; write <<: *name"],
    ["deep nesting", `a: ${"[".repeat(40)}${"]".repeat(40)}`, "is nested too deeply; no key needs that"],
  ])("says what is wrong with %s", (_, text, wrong) => {
    expect(read(text).mistakes.map((mistake) => mistake.text)).toEqual([wrong]);
  });

  it("is refused where aliases would make it huge", () => {
    const bomb = Array.from({ length: 12 }, (_, level) => `a${level}: &a${level} [${`*a${level - 1}, `.repeat(9)}]`);
    expect(refusal(["a-1: &a-1 x", ...bomb].join("\n"))).toBe(
      "f.yaml: holds or expands to more than 100000 values; use fewer aliases",
    );
  });

  it.each([
    ["nested without end", "[".repeat(20_000), /^f\.yaml:\d+:\d+ is not YAML/],
    ["of two documents", "a: 1\n---\nb: 2", /^f\.yaml:2:1 is not YAML: .*multiple documents/],
    ["longer than 1 MB", `a: ${"x".repeat(1_100_000)}`, /^f\.yaml: is longer than 1 MB/],
    ["with a mapping as key", "? { a: 1 }\n: 2", /^f\.yaml:1:3 is not YAML/],
  ])("is refused %s", (_, text, message) => {
    expect(refusal(text)).toMatch(message);
  });
});

describe("a variable", () => {
  const environment = { HOST: "a.example", LIMIT: "100", EMPTY: "", YAML: "{ a: [1] } # x\nb: 2", FALSE: "false" };

  it.each([
    ["is replaced inside text", `http://\${HOST}:80/\${LIMIT}`, "http://a.example:80/100"],
    ["that is all of the value takes the type of its text", `\${LIMIT}`, 100],
    ["in quotes does so too, for braces need them in flow mappings", `"\${FALSE}"`, false],
    ["that is only a part makes text", `1\${LIMIT}`, "1100"],
    ["is never read as YAML", `\${YAML}`, "{ a: [1] } # x\nb: 2"],
    ["has its default where it is not set", `\${NOT:-5}`, 5],
    ["has its default where it is empty", `\${EMPTY:-x}`, "x"],
    ["may be empty", `\${EMPTY}`, ""],
    ["may default to nothing", `\${NOT:-}`, ""],
    ["may default to a URL", `\${NOT:-redis://127.0.0.1:6379/0}`, "redis://127.0.0.1:6379/0"],
    ["is not meant by two dollars", `$\${HOST}`, `\${HOST}`],
    ["is not meant without braces", "$HOST", "$HOST"],
  ])("%s", (_, text, value) => {
    const source = read(`a: ${text}`, environment);
    expect(source.mistakes).toEqual([]);
    expect(source.value).toEqual({ a: value });
  });

  it.each([`\${NOT}`, `x\${NOT}y`, `\${constructor}`, `\${1A}`, `\${HOST`, `\${}`, `\${NOT:-\${HOST}}`])(
    "written %s is a mistake at its value",
    (text) => {
      const source = read(`a:   '${text}'`, environment);
      expect(source.value).toEqual({ a: undefined });
      expect(source.mistakes).toEqual([{ path: ["a"], offset: 5, text: expect.stringMatching(/\$\{/) }]);
    },
  );

  it("is not replaced in a key", () => {
    expect(read(`"\${HOST}": 1`, environment).value).toEqual(Object.fromEntries([[`\${HOST}`, 1]]));
  });
});
