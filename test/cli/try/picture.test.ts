import { expect, it } from "vitest";
import type { Side } from "../../../src/cli/try/load.ts";
import { page, picture } from "../../../src/cli/try/picture.ts";
import { bytesText, msText, reportText, shareText } from "../../../src/cli/try/report.ts";
import type { TryResult } from "../../../src/cli/try/result.ts";

const SIDE: Side = {
  ...{ requests: 0, sent: 0, seconds: 1, requestsPerSecond: 0, p50Ms: undefined, p99Ms: undefined, originRequests: 0 },
  ...{ originBytes: 0, clientBytes: 0, hits: 0, collapsed: 0, errors: 0, statuses: {}, reasons: {} },
};
const HOSTILE = `/<script>alert('x')</script>"&\u001b[2J\u202e`;
const CELL = { hits: 1, collapsed: 0, originRequests: 1, originBytes: 10, storedBytes: 10 };
const ROW = { route: HOSTILE, requests: 2, reads: 2, cells: [CELL] };

const RESULT: TryResult = {
  load: {
    ...{ rounds: 2, isCutShort: false },
    direct: SIDE,
    forebay: {
      ...SIDE,
      requests: 10,
      requestsPerSecond: 10,
      p50Ms: 1,
      p99Ms: 2,
      hits: 9,
      statuses: { 200: 9, 404: 1 },
    },
  },
  log: { requests: 2, other: 0, malformed: 3, firstMalformed: 7 },
  prediction: {
    ...{ columns: [{ name: HOSTILE, ttl: 1 }], rows: [ROW, { ...ROW, route: "/b" }], total: { ...ROW, route: "all" } },
    ...{ from: 0, to: 9000, unrouted: 4, unsized: 0, hiddenQueries: 0, dropped: 0 },
  },
};

it("a picture and a page are well-formed, fetch nothing, and hold what strangers typed escaped", () => {
  const svg = picture(RESULT, `Asks ${HOSTILE}`);
  const html = page(RESULT, `Asks ${HOSTILE}`);
  for (const text of [svg, html]) {
    expect(text).not.toContain("<script");
    expect(text).toContain("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;?[2J?");
    expect(text.replaceAll("http://www.w3.org/2000/svg", "")).not.toMatch(/https?:|url\(|@import|href|src=/);
    expect(text).toContain("prefers-color-scheme: dark");
    expect(text).toMatch(/^[\n -~]*$/);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  }
  const open = [...svg.matchAll(/<([a-z]+)[^>]*(?<!\/)>/g)].map(([, name]) => name).toSorted();
  expect([...svg.matchAll(/<\/([a-z]+)>/g)].map(([, name]) => name).toSorted()).toEqual(open);
  expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
});

it("the report says both sides, the prediction, and what it left out, in printable ASCII", () => {
  const text = reportText(RESULT);
  expect(text).toMatch(/^[\n -~]*$/);
  expect(text).toMatch(/^requests\/s +0 +10$/m);
  expect(text).toMatch(/^hit ratio +- +90\.0 %$/m);
  expect(text).toMatch(/^answers of 404 +0 +1$/m);
  expect(text).toContain("Lines that could not be read: 3, the first is line 7");
  expect(text).toContain("would get a 404 (left out): 4");
  expect(text).toMatch(/^\/b +2 +50\.0 %$/m);
});

it("figures are told as a person writes them, and never rounded to all or nothing", () => {
  expect([shareText(9999, 10_000), shareText(1, 1e9), shareText(1, 1), shareText(0, 1), shareText(0, 0)]).toEqual([
    "99.99 %",
    "0.01 %",
    "100.0 %",
    "0.0 %",
    "-",
  ]);
  expect([bytesText(0), bytesText(1023), bytesText(1536), bytesText(300 * 1024 ** 2)]).toEqual([
    "0 B",
    "1.0 KB",
    "1.5 KB",
    "300 MB",
  ]);
  expect([msText(0.123), msText(12.34), msText(1234), msText(undefined)]).toEqual([
    "0.12 ms",
    "12.3 ms",
    "1,234 ms",
    "-",
  ]);
});
