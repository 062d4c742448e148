import { describe, expect, it } from "vitest";
import { parseArguments } from "../../src/cli/args.ts";

const NO_FLAGS = {
  config: undefined,
  origin: undefined,
  listen: undefined,
  admin: undefined,
  redis: undefined,
  logLevel: undefined,
};

function mistake(...argv: string[]): string {
  const read = parseArguments(argv);
  return read.kind === "mistake" ? read.message : `no mistake, but ${read.kind}`;
}

describe("the command line", () => {
  it("serves where it says nothing", () => {
    expect(parseArguments([])).toMatchObject({ kind: "run", command: "serve", words: [], flags: NO_FLAGS });
  });

  it.each(["serve", "demo", "check", "explain", "purge", "top"])("knows %s", (command) => {
    expect(parseArguments([command])).toMatchObject({ kind: "run", command });
  });

  it("takes every flag, before and behind the command, with and without =", () => {
    const argv = ["-c", "a.yaml", "--origin=http://127.0.0.1:3000", "check", "--listen", ":8080", "--admin", "false"];
    expect(parseArguments([...argv, "--redis", "redis://127.0.0.1", "--log-level", "debug"])).toMatchObject({
      kind: "run",
      command: "check",
      flags: {
        config: "a.yaml",
        origin: "http://127.0.0.1:3000",
        listen: ":8080",
        admin: "false",
        redis: "redis://127.0.0.1",
        logLevel: "debug",
      },
    });
  });

  it.each(["--help", "-h"])("prints what there is for %s, whatever else it says", (flag) => {
    const read = parseArguments(["nonsense", flag]);
    expect(read.kind).toBe("help");
    for (const word of ["serve", "demo", "check", "--config FILE", "--redis URL", "-v, --version"]) {
      expect(read.kind === "help" && read.text).toContain(word);
    }
  });

  it.each(["--version", "-v"])("asks for the version with %s", (flag) => {
    expect(parseArguments([flag])).toEqual({ kind: "version" });
  });
});

describe("a mistake on the command line", () => {
  it.each([
    [["--orgin", "http://a"], "--orgin: no such flag; did you mean --origin?"],
    [["--loglevel=info"], "--loglevel: no such flag; did you mean --log-level?"],
    [["--frobnicate"], "--frobnicate: no such flag; see --help"],
    [["-x"], "-x: no such flag; see --help"],
    [["--constructor"], "--constructor: no such flag; see --help"],
    [["sevre"], "sevre: no such command; did you mean serve?"],
    [["toString"], "toString: no such command; see --help"],
    [["serve", "demo"], "demo: more than one command"],
    [["check", "my.yaml"], "my.yaml: check takes flags only; a configuration is named by --config my.yaml"],
    [["my.yaml"], "my.yaml: serve takes flags only; a configuration is named by --config my.yaml"],
    [["schema", "more"], "more: schema takes nothing more; see --help"],
    [["--listen"], "--listen: its value is missing; write --listen HOST:PORT"],
    [["--listen="], "--listen: its value is missing; write --listen HOST:PORT"],
    [["--listen", "--admin", ":1"], "--listen: its value is missing; write --listen HOST:PORT"],
    [["--listen", ":1", "--listen", ":2"], "--listen: given twice"],
    [["--help=me"], "--help: takes no value"],
    [["--log-level", "loud"], '--log-level: got "loud", want one of debug, info, warn, error, silent'],
  ])("%j says what is wrong", (argv, message) => {
    expect(mistake(...argv)).toBe(message);
  });
});
