import { describe, expect, it } from "vitest";
import { forPerson, lookOf } from "../../src/log/person.ts";

const JSON_LINES = { pretty: false, colour: false };
const PLAIN = { pretty: true, colour: false };
const COLOURED = { pretty: true, colour: true };

describe("how lines look", () => {
  it.each([
    ["auto", true, {}, COLOURED],
    ["auto", false, {}, JSON_LINES],
    ["json", true, {}, JSON_LINES],
    ["pretty", false, {}, PLAIN],
    ["pretty", true, {}, COLOURED],
    ["auto", true, { NO_COLOR: "1" }, PLAIN],
    ["auto", true, { NO_COLOR: "" }, COLOURED],
    ["auto", true, { TERM: "dumb" }, PLAIN],
    ["pretty", false, { FORCE_COLOR: "1" }, COLOURED],
    ["pretty", false, { FORCE_COLOR: "", NO_COLOR: "1" }, COLOURED],
    ["auto", true, { FORCE_COLOR: "0" }, PLAIN],
    ["auto", false, { FORCE_COLOR: "1" }, JSON_LINES],
  ] as const)("%s, on a terminal: %s, %j", (format, isTerminal, env, look) => {
    expect(lookOf(format, { isTerminal, env })).toEqual(look);
  });

  it("has colours only where they are wanted, and nothing of a client's that a terminal would obey", () => {
    const line = {
      level: "info",
      time: 0,
      msg: "request",
      method: "GET",
      path: "/\u009b31m\u001b[2J",
      status: 200,
      ms: 1,
    };
    expect(forPerson(JSON.stringify(line), false)).toMatch(/^[ -~]+\n$/);
    const coloured = forPerson(JSON.stringify(line), true);
    for (const sent of ["\u009b", "\u001b[2J"]) expect(coloured).not.toContain(sent);
    expect(coloured).toContain("\u001b[1m200\u001b[22m");
  });
});
