import { expect, it } from "vitest";
import * as z from "zod";
import { fileSchema } from "../../src/config/schema.ts";
import { configurationTable } from "../../src/config/table.ts";

const table = configurationTable();
const rows = table.trim().split("\n").slice(2);

it("every key has a line with what is written there, its default and its meaning", () => {
  expect(rows).toContain(
    "| `store.redis.deadline` | duration | `50ms` | A cache read slower than this counts as a miss. |",
  );
  expect(rows).toContain(
    "| `rateLimit.limit` | whole number | *required* | Requests allowed to each client per window. |",
  );
  expect(rows).toContainEqual(expect.stringMatching(/^\| `routes\[\]\.cache\.collapse\.lease` \| duration \| `3s` \|/));
  expect(rows).toContainEqual(
    expect.stringMatching(/^\| `routes` \| list \| `\[ \{ path: \/\*, cache: \{\} \} \]` \|/),
  );
});

it("no line is without form or meaning", () => {
  for (const row of rows) expect(row).toMatch(/^\| `[\w.[\]]+` \| \S.* \| .* \| \S.*\. \|$/);
});

it("the schema can be told as JSON Schema, with the defaults as they are written", () => {
  const schema = z.toJSONSchema(fileSchema, { io: "input" });
  expect(schema.required).toEqual(["origin"]);
  expect(schema.additionalProperties).toBe(false);
  expect(schema.properties?.drain).toMatchObject({ type: "string", default: "10s", examples: ["10s"] });
});
