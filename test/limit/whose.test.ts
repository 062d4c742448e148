import { describe, expect, it } from "vitest";
import { whose } from "../../src/limit/whose.ts";
import fc from "../support/fast-check.ts";
import { from } from "./sidecars.ts";

const IP = "203.0.113.7";
const bucket = (by: readonly string[], ...fields: string[]) => whose(by, from({ fields }), IP);

describe("a client told apart by", () => {
  it("its address is that", () => {
    expect(bucket(["ip"], "X-Api-Key", "a")).toBe(IP);
  });

  it("a header field is another for another value, whatever the case of the name", () => {
    const of = (name: string, value: string) => bucket(["header:x-api-key"], name, value);
    expect(of("X-Api-Key", "a")).toBe(of("x-API-key", "a"));
    expect(of("X-Api-Key", "a")).not.toBe(of("X-Api-Key", "A"));
    expect(of("X-Api-Key", "a")).not.toBe(IP);
  });

  it("a cookie is another for another value, in whatever line and place it stands", () => {
    const one = bucket(["cookie:sid"], "Cookie", "a=1; sid=x; sid2=z");
    expect(bucket(["cookie:sid"], "Cookie", "a=2", "Cookie", "sid=x")).toBe(one);
    expect(bucket(["cookie:sid"], "Cookie", "sid=y")).not.toBe(one);
    expect(bucket(["cookie:SID"], "Cookie", "sid=x")).toBe(IP);
  });

  it("several is another where any of them is", () => {
    const of = (ip: string, key: string) => whose(["ip", "header:k"], from({ fields: ["k", key] }), ip);
    expect(new Set([of("192.0.2.1", "a"), of("192.0.2.2", "a"), of("192.0.2.1", "b")]).size).toBe(3);
  });
});

describe("a client that leaves it out is counted by its address, with", () => {
  it.each([
    ["no field", ["header:k"], []],
    ["an empty field", ["header:k"], ["k", ""]],
    ["a field sent twice", ["header:k"], ["k", "a", "k", "b"]],
    ["no cookie", ["cookie:k"], ["Cookie", "kk=1; =k; k"]],
    ["an empty cookie", ["cookie:k"], ["Cookie", "k="]],
    ["a cookie sent twice", ["cookie:k"], ["Cookie", "k=a; k=b"]],
    ["a cookie sent twice in two lines", ["cookie:k"], ["Cookie", "k=a", "Cookie", "k=a"]],
  ])("%s", (_, by, fields) => {
    expect(bucket(by, ...fields)).toBe(IP);
    expect(bucket(["ip", ...by], ...fields)).toBe(`${IP},${IP}`);
  });
});

describe("a client gets no other quota by another writing of", () => {
  const cookie = (value: string) => bucket(["cookie:sid"], "Cookie", `sid=${value}`);
  const authorization = (value: string) => bucket(["header:authorization"], "Authorization", value);

  it("a cookie in quotes, or percent-encoded: origins read the same", () => {
    expect(new Set(["a1b2", '"a1b2"', "%611b2", "%61%31%62%32", '"a1%62%32"'].map(cookie))).toHaveProperty("size", 1);
    expect(cookie("a1b2")).not.toBe(IP);
    expect(new Set(["a%2", "%zz", "é", "%C3%A9%", "a=b", "a%20b"].map(cookie))).toHaveProperty("size", 6);
  });

  it("a cookie behind which some origins would see another one end: its address counts", () => {
    for (const value of ["a, x=1", "a x=1", "a,1", '"a"1', '"a', 'a"', "a\\1", '""']) expect(cookie(value)).toBe(IP);
  });

  it("a scheme of credentials", () => {
    const written = ["Bearer aB", "bearer aB", "BEARER  aB", "bEARER \t aB"];
    expect(new Set(written.map(authorization))).toHaveProperty("size", 1);
    expect(authorization("Bearer ab")).not.toBe(authorization("Bearer aB"));
    expect(authorization("Bearer")).not.toBe(authorization("bearer"));
  });
});

describe("what tells a client apart", () => {
  it("holds neither the value nor anything that would end the key", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 6 }), (value) => {
        const said = bucket(["ip", "header:k", "cookie:c"], "k", value, "Cookie", `c=${value}`);
        expect(said).not.toContain("|");
        expect(said).not.toContain(value);
      }),
    );
  });

  it("is the same only where all of it is: injective", () => {
    const value = fc.string({ unit: "binary-ascii" }).map((text) => text.trim());
    const address = fc.constantFrom(IP, "2001:db8::/64", "unix", "unknown");
    fc.assert(
      fc.property(fc.tuple(value, value, address), fc.tuple(value, value, address), (one, other) => {
        const of = ([a, b, ip]: typeof one) =>
          whose(["header:a", "header:b", "ip"], from({ fields: ["a", a, "b", b] }), ip);
        expect(of(one) === of(other)).toBe(one.every((part, i) => part === other[i]));
      }),
    );
  });
});
