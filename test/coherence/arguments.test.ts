import { expect, test } from "vitest";
import { parseArguments } from "./arguments.ts";

const parse = (...argv: string[]) => parseArguments(argv, () => 7);

test("everything has a default, and the seed is a fresh one", () => {
  expect(parse()).toEqual({
    seconds: 60,
    sidecars: 3,
    trustMs: 0,
    topology: "redis",
    faults: ["kill", "freeze", "flush", "restart", "partition"],
    seed: 7,
    mutations: [],
  });
});

test("what is asked for is what is done", () => {
  const asked = parse(
    "--seconds",
    "5",
    "--sidecars",
    "10",
    "--trust",
    "500ms",
    "--faults",
    "kill,flush",
    "--seed",
    "3",
  );
  expect(asked).toMatchObject({ seconds: 5, sidecars: 10, trustMs: 500, faults: ["kill", "flush"], seed: 3 });
  expect(parse("--faults", "none")).toMatchObject({ faults: [] });
  expect(parse("--topology", "sentinel")).toMatchObject({
    topology: "sentinel",
    faults: ["kill", "flush", "failover"],
  });
  expect(parse("--topology", "cluster", "--mutation", "stamp")).toMatchObject({
    topology: "cluster",
    faults: ["kill", "freeze", "flush", "restart", "partition", "failover", "reshard"],
  });
  expect(parse("--mutation", "stamp")).toMatchObject({ mutations: [{ name: "stamp" }] });
  expect(parse("--help")).toBe("help");
});

test.each([
  [["--seconds", "0"], "Read --seconds: expected a whole number from 1 to 86400"],
  [["--trust", "5"], "Read --trust: expected a duration"],
  [["--faults", "fire"], "Read --faults: expected some of kill,"],
  [["--topology", "ring"], "Read --topology: expected one of redis, sentinel, cluster"],
  [["--topology", "sentinel", "--faults", "restart"], "Read --faults: expected some of kill, flush, failover"],
  [["--topology", "sentinel", "--mutation", "stamp"], "Read --topology: expected redis or cluster where"],
  [["--mutations", "some"], "Read --mutations: expected all"],
  [["--mutation", "none"], "Read --mutation: expected one of"],
  [["--speed", "1"], "--speed"],
])("%j is refused with what is wrong", (argv, message) => {
  expect(() => parse(...argv)).toThrow(message);
});
