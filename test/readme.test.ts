// The README's tables say what the code says. `UPDATE=1 npm test -- test/readme.test.ts` writes the configuration table
// anew; the bench writes its own.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { configurationTable } from "../src/config/table.ts";
import { metricsTable } from "../src/metrics/catalogue.ts";
import { mutations } from "./coherence/mutations.ts";
import { aclOf, FOR_CLUSTER, FOR_DATABASE, FOR_WAIT, sentinelAcl } from "./support/redis-acl.ts";

const README = new URL("../README.md", import.meta.url);
const SECTION = /(<!-- configuration:begin -->\n)([\s\S]*?)(<!-- configuration:end -->)/;

test("the configuration table is the schema's", () => {
  const text = readFileSync(README, "utf8");
  if (process.env.UPDATE === "1") {
    writeFileSync(
      README,
      text.replace(SECTION, (_all, begin, _old, end) => `${begin}${configurationTable()}${end}`),
    );
  }
  expect(SECTION.exec(readFileSync(README, "utf8"))?.[2]).toBe(configurationTable());
});

const METRICS = /(<!-- metrics:begin -->\n)([\s\S]*?)(<!-- metrics:end -->)/;

test("the table of metrics is the catalogue's", () => {
  const text = readFileSync(README, "utf8");
  if (process.env.UPDATE === "1") {
    writeFileSync(
      README,
      text.replace(METRICS, (_all, begin, _old, end) => `${begin}${metricsTable()}${end}`),
    );
  }
  expect(METRICS.exec(readFileSync(README, "utf8"))?.[2]).toBe(metricsTable());
});

test("the rights of an ACL user are those that the suite runs with", () => {
  const text = readFileSync(README, "utf8");
  const lines = [...text.matchAll(/^ACL SETUSER .*$/gm)].map(([line]) => line.replace(">SECRET", ">secret"));
  expect(lines).toEqual([aclOf().join(" "), sentinelAcl().join(" ")]);
  const [, besides = ""] = /^Of an ACL user this is enough \((.*)\):$/m.exec(text) ?? [];
  const additions = [...besides.matchAll(/`(\+[^`]+)`/g)].map(([, rights]) => rights);
  const added = [FOR_DATABASE, FOR_WAIT, FOR_CLUSTER];
  expect(additions).toEqual(added.map((commands) => commands.map((command) => `+${command}`).join(" ")));
});

test("the table of what the checker finds names every mutation, in its own words", () => {
  const [, table = ""] = /<!-- mutations -->([\s\S]*?)<!-- mutations:end -->/.exec(readFileSync(README, "utf8")) ?? [];
  const named = [...table.matchAll(/^\| (.+) \| `([\w-]+)` \| [\d.]+ s \|/gm)].map(
    ([, words, name]) => `${name}: ${words}`,
  );
  expect(named).toEqual(mutations.map(({ name, mechanism }) => `${name}: ${mechanism}`));
});

test("every command that the README names is a script of package.json", () => {
  const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const named = [...readFileSync(README, "utf8").matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(
    ([, name = ""]) => name,
  );
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

test("the map for contributors names every folder of src, and none that is not there", () => {
  const [, map = ""] = /^## For contributors\n([\s\S]*?)^## /m.exec(readFileSync(README, "utf8")) ?? [];
  const named = [...map.matchAll(/^\| `src\/([\w-]+)\/` \|/gm)].map(([, name]) => name);
  const folders = readdirSync(new URL("../src", import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  expect(named.toSorted()).toEqual(folders.toSorted());
  const files = [...map.matchAll(/\]\(([^)#:]+)\)/g)].map(([, file = ""]) => file);
  expect(files.filter((file) => !existsSync(new URL(`../${file}`, import.meta.url)))).toEqual([]);
});
