import { expect, test } from "vitest";
import { createRequestIds } from "../src/request-ids.ts";

test("no name is made twice, and each is a UUID in form", () => {
  const [one, other] = [createRequestIds(), createRequestIds()];
  const made = Array.from({ length: 5000 }, (_, i) => (i % 2 === 0 ? one() : other()));
  expect(new Set(made).size).toBe(made.length);
  for (const id of made) expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});
