import { afterEach, describe, expect, it, vi } from "vitest";
import { painter, plain, plainJson, section, withProgress } from "../../src/cli/terminal.ts";

describe("text for a terminal", () => {
  it("has no controls, nothing that turns the writing round, and no end of line", () => {
    expect(plain("a\u001b[2J\n\u009b\u202e\u2028\ud800")).toBe("a\\u001b[2J\\u000a\\u009b\\u202e\\u2028\\ud800");
    expect(plain("ü 日本 😀")).toBe("ü 日本 😀");
    expect(plain("a".repeat(500))).toHaveLength(401);
  });

  it("is the same JSON, with controls escaped", () => {
    const value = { a: "\u009b\u202e\n", b: [1] };
    expect(JSON.parse(plainJson(value))).toEqual(value);
    expect(plainJson(value)).toContain("\\u009b\\u202e\\n");
  });

  it("is coloured on a terminal only, and not where NO_COLOR is set", () => {
    expect(painter({ isTTY: true }, {})("red", "a")).toBe("\u001b[31ma\u001b[39m");
    expect(painter({ isTTY: true }, { NO_COLOR: "1" })("red", "a")).toBe("a");
    expect(painter({}, {})("red", "a")).toBe("a");
  });

  it("has cells below one another, the last as long as it likes", () => {
    const rows = [["a", "b", "long"], ["aaa", "b"], ["alone"]];
    expect(section("Title", rows, (_, text) => text)).toBe(
      ["Title       a    b  long", "            aaa  b", "            alone", ""].join("\n"),
    );
    expect(section("Title", [], (_, text) => text)).toBe("");
  });
});

describe("progress", () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  async function progressOf(ms: number, isTTY: boolean): Promise<string> {
    vi.useFakeTimers();
    let written = "";
    const task = new Promise<string>((resolve) => setTimeout(resolve, ms, "done"));
    const stream = {
      isTTY,
      write(text: string) {
        written += text;
      },
    };
    const shown = withProgress(task, "waiting", stream);
    await vi.advanceTimersByTimeAsync(ms);
    expect(await shown).toBe("done");
    return written;
  }

  it("is shown for what lasts two seconds, and taken away after it", async () => {
    expect(await progressOf(1900, true)).toBe("");
    expect(await progressOf(2700, true)).toBe("\rwaiting … 2.0 s\rwaiting … 2.5 s\r\u001b[K");
  });

  it("is not shown where nobody looks", async () => {
    expect(await progressOf(5000, false)).toBe("");
  });
});
