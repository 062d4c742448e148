// What the page is made of, and how it bears what it is shown: its size, its policy, hostile text, a phone, both themes, and
// what it asks of the sidecar.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Explanation } from "../../src/explain/explanation.ts";
import { launchChromium } from "../support/chromium.ts";
import { passHour, tellEvents } from "./hour.ts";
import { type PanelOptions, startPanel } from "./panel.ts";

const cleanups: (() => unknown)[] = [];
let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
});

afterAll(() => browser?.close());

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function panelOf(options?: PanelOptions) {
  const panel = await startPanel(options);
  cleanups.push(panel.close);
  return panel;
}

async function open(url: string, options: Parameters<Browser["newPage"]>[0] = {}) {
  const page = await browser.newPage(options);
  cleanups.push(() => page.close());
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => {
    complaints.push(dialog.message());
    void dialog.dismiss();
  });
  return { page, complaints, goto: () => page.goto(url) };
}

const isLive = (page: Page) => page.getByText("live", { exact: true }).waitFor();

/** Of its content, bytes, as stated: the content itself cannot be had any more where the page is closed meanwhile. */
function lengthOf(response: { headers(): Record<string, string> }): number {
  return Number(response.headers()["content-length"]);
}

test("is smaller than 60 KB with all that it loads, and loads nothing from elsewhere", async () => {
  const panel = await panelOf();
  const { page, complaints, goto } = await open(panel.url);
  const sizes = new Map<string, number>();
  page.on("response", (response) => {
    if (!response.url().includes("/api/")) sizes.set(response.url(), lengthOf(response));
  });
  await goto();
  await isLive(page);
  await expect.poll(() => sizes.size, PATIENT).toBeGreaterThanOrEqual(11);
  expect([...sizes.values()].reduce((sum, size) => sum + size, 0)).toBeLessThan(60_000);
  expect([...sizes.keys()].filter((url) => !url.startsWith(panel.url))).toEqual([]);
  expect(complaints).toEqual([]);
});

test("its policy lets nothing else in: no inline script, no other host, no frame, no form sent off", async () => {
  const panel = await panelOf({ token: "secret" });
  for (const path of ["/", "/dashboard/main.js", "/dashboard/dashboard.css"]) {
    const { status, headers } = await fetch(panel.url + path);
    expect(status).toBe(200);
    const policy = headers.get("content-security-policy");
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) {
      expect(policy).toContain(part);
    }
    expect(policy).not.toMatch(/unsafe|http|\*/);
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("cache-control")).toBe("no-store");
  }
  expect((await fetch(`${panel.url}/api/stats`)).status).toBe(401);
  expect((await fetch(`${panel.url}/dashboard/../admin.ts`)).status).toBe(404);
  const { page, goto } = await open(panel.url);
  await goto();
  await expect(page.evaluate("document.body.innerHTML = '<b>x</b>'")).rejects.toThrow(/TrustedHTML/);
});

/** For a machine that is busy with other tests. */
const PATIENT = { timeout: 20_000 };

const EVIL = `"><img src=x onerror=alert(1)><script>alert(2)</script>\u202e`;

const hostile: Explanation = {
  format: 1,
  request: { method: EVIL, authority: EVIL, target: EVIL, path: EVIL, removed: [EVIL] },
  way: "read",
  route: { id: EVIL, host: null, path: EVIL, params: { [EVIL]: EVIL }, isCached: true },
  otherRoutes: { routes: [{ id: EVIL, why: { kind: "segment", segment: 1, wants: EVIL, got: EVIL } }], others: 1 },
  client: { counted: EVIL, hops: [{ from: "connection", text: EVIL, verdict: "client" }] },
  key: {
    text: EVIL,
    parts: {
      ...{ scheme: EVIL, authority: EVIL, path: EVIL, forwardedHost: EVIL, query: [EVIL] },
      headers: [{ name: EVIL, value: EVIL }],
      cookies: [{ name: EVIL, values: [EVIL] }],
    },
    ignored: { query: [EVIL], headers: [EVIL], cookies: [EVIL] },
    variant: [{ name: EVIL, value: null }],
  },
  freshness: { rules: [{ by: "ttl", says: EVIL, lifetime: 1, verdict: "decides" }], response: null },
  tags: [EVIL],
  invalidates: { tags: [EVIL], paths: [EVIL] },
  limits: [],
  stored: {
    ...{ answered: true, isShadowed: false, decision: EVIL, reason: EVIL, clock: 1, passUntil: null, leaseMs: null },
    response: {
      ...{ status: 200, bytes: 1, age: 0, lifetime: 1, ttl: 1, etag: EVIL, stamp: 1, tags: [EVIL], fetchedAt: 0 },
      ...{ keptUntil: 0, state: "usable", because: [{ tag: EVIL, clock: 1 }], tier: "memory", hits: 1 },
      storedBy: { sidecar: EVIL, isThis: false },
    },
  },
};

test("hostile text stays text: routes, keys, limits, events, health, answers", async () => {
  const panel = await panelOf({
    sidecar: EVIL,
    health: () => ({ [EVIL]: { state: "degraded", detail: EVIL } }),
    purge: async () => ({ kind: "mistake", text: EVIL }),
    explain: async () => ({ kind: "explanation", explanation: hostile }),
  });
  const finished = { outcome: 0, status: 1, bytes: 1, ms: 1, msStore: 0 };
  panel.traffic.finished({ ...finished, route: EVIL });
  panel.limits.set(EVIL, { allowed: 1, refused: 1 });
  panel.top.take({ method: "GET", authority: "a", target: `/${EVIL}` }, EVIL);
  const { page, complaints, goto } = await open(panel.url);
  await goto();
  await page.locator("#events-note").waitFor();
  await expect.poll(() => page.locator("#routes td").first().textContent(), PATIENT).toBe(EVIL);
  await page.getByLabel("Which").fill("x");
  await page.getByRole("button", { name: "Purge" }).click();
  await expect.poll(() => page.locator("#purge-result").textContent(), PATIENT).toBe(EVIL);
  await page.getByLabel("URL, as a client asks for it").fill("http://a/");
  await page.getByRole("button", { name: "Explain", exact: true }).click();
  await page.locator("#explain-result dl").waitFor();
  // The stream may not yet be open; what is told is told until it has been heard.
  await expect
    .poll(() => {
      panel.events.tell({ kind: "invalidated", tags: [EVIL], more: 1 });
      panel.events.tell({ kind: "refused", route: EVIL, count: 1 });
      panel.events.tell({ kind: "breaker", open: true, reason: EVIL });
      return page.locator("#events li").count();
    }, PATIENT)
    .toBeGreaterThanOrEqual(3);
  expect(await page.locator("img:not([src='dashboard/icon.svg']), script:not([src='dashboard/main.js'])").count()).toBe(
    0,
  );
  // The browser itself writes one line: what the refused purge was answered with.
  expect(complaints.filter((text) => !text.includes("status of 400"))).toEqual([]);
});

test.each(["light", "dark"] as const)(
  "a phone of 360 px shows all of it without scrolling sideways, in %s",
  async (colorScheme) => {
    const panel = await panelOf({ health: () => ({ store: { state: "ok", detail: "redis://".padEnd(200, "x") } }) });
    passHour(panel);
    const { page, goto } = await open(panel.url, { colorScheme, viewport: { width: 360, height: 740 } });
    await goto();
    await page.locator("#top tr").nth(5).waitFor();
    await expect
      .poll(() => {
        tellEvents(panel);
        return page.locator("#events li").count();
      })
      .toBeGreaterThan(4);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(360);
    const clipped = await page.evaluate(
      "[...document.querySelectorAll('#tiles dd.big')].filter((tile) => tile.scrollWidth > tile.clientWidth).length",
    );
    expect(clipped).toBe(0);
  },
);

test.each(["light", "dark"] as const)(
  "every text stands out from its ground as WCAG 2.2 AA asks, in %s",
  async (colorScheme) => {
    const panel = await panelOf();
    passHour(panel);
    panel.traffic.finished({ route: "/e", outcome: 0, status: 4, bytes: 1, ms: 1, msStore: 0 });
    const { page, goto } = await open(panel.url, { colorScheme, viewport: { width: 1280, height: 800 } });
    await goto();
    await page.locator("#top tr").nth(5).waitFor();
    expect(await page.evaluate(TOO_FAINT)).toEqual([]);
  },
);

/** Texts whose contrast to the ground behind them is below 4.5. */
const TOO_FAINT = `(() => {
  const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = (rgb) => { const [r, g, b] = rgb.match(/[\\d.]+/g).map(Number); return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b); };
  const ground = (e) => { const c = getComputedStyle(e).backgroundColor; return c === "rgba(0, 0, 0, 0)" && e.parentElement ? ground(e.parentElement) : c; };
  const own = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== "");
  return [...document.querySelectorAll("body *")].filter((e) => own(e) && e.checkVisibility() && !(e instanceof SVGElement)).filter((e) => {
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05) < 4.5;
  }).map((e) => e.textContent);
})()`;

test("every field has a label, every table its headers, and the headings do not skip", async () => {
  const panel = await panelOf();
  passHour(panel);
  const { page, goto } = await open(panel.url);
  await goto();
  await page.locator("#top tr").nth(5).waitFor();
  const unlabelled =
    "[...document.querySelectorAll('input, select, textarea')].filter((field) => field.labels.length === 0).length";
  expect(await page.evaluate(unlabelled)).toBe(0);
  expect(await page.locator("table:not(:has(th[scope=col]))").count()).toBe(0);
  expect(await page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map((h) => h.tagName)[0]")).toBe("H1");
  expect(await page.locator("h3, h4").count()).toBe(0);
  // The first thing a keyboard reaches leads past the head; a chart is read by arrow keys.
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.className")).toBe("skip");
  await page.locator("svg.chart").first().focus();
  await page.keyboard.press("ArrowLeft");
  expect(await page.locator("#chart-requests svg").getAttribute("aria-label")).toMatch(/at \d\d:\d\d:\d\d: all/);
});

test("asks for a little each second, for the hour only now and then, and for nothing while nobody looks", async () => {
  const panel = await panelOf();
  passHour(panel);
  const { page, goto } = await open(panel.url);
  await page.clock.install();
  const answers: { url: string; bytes: number }[] = [];
  page.on("response", (response) => {
    if (!response.url().includes("/api/stats")) return;
    answers.push({ url: response.url(), bytes: lengthOf(response) });
  });
  await goto();
  await expect.poll(() => answers.length, PATIENT).toBeGreaterThan(0);
  // From here on time passes in the browser as it is turned; the jump itself makes the next answer a full one.
  await page.clock.pauseAt(Date.now() + 3_600_000);
  await expect.poll(() => answers.at(-1)?.url.includes("without"), PATIENT).toBe(false);
  answers.length = 0;
  let turnedMs = 0;
  await expect
    .poll(async () => {
      await page.clock.runFor(100);
      turnedMs += 100;
      return answers.length;
    }, PATIENT)
    .toBeGreaterThanOrEqual(12);
  const isFull = answers.map(({ url }) => !url.includes("without=series,top"));
  expect(answers.length).toBeLessThanOrEqual(1 + turnedMs / 1000);
  const full = isFull.filter(Boolean).length;
  expect(full).toBeGreaterThanOrEqual(1);
  expect(full).toBeLessThanOrEqual(1 + turnedMs / 10_000);
  expect(Math.max(...answers.filter((_, i) => !isFull[i]).map(({ bytes }) => bytes))).toBeLessThan(3000);
  await look(page, false);
  const asked = panel.asked();
  await page.clock.runFor(60_000);
  await page.evaluate("0");
  expect(panel.asked()).toBe(asked);
  await look(page, true);
  await expect.poll(() => panel.asked(), PATIENT).toBe(asked + 1);
});

function look(page: Page, isSeen: boolean) {
  return page.evaluate(`Object.defineProperty(document, "hidden", { value: ${!isSeen}, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"))`);
}
