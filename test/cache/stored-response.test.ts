import { describe, expect, it } from "vitest";
import { hasValidator } from "../../src/cache/stored-response.ts";
import { aStored, dateIn } from "./example.ts";

describe("hasValidator (RFC 9111 §4.3.1)", () => {
  it("sees an entity tag, a modification date, or neither", () => {
    expect(hasValidator(aStored({ etag: '"a"' }))).toBe(true);
    expect(hasValidator(aStored({ lastModified: dateIn(-60) }))).toBe(true);
    expect(hasValidator(aStored())).toBe(false);
  });
});
