// The dashboard in a real Chromium, in front of a real sidecar: what it shows, what can be done with it.

import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { launchChromium } from "../support/chromium.ts";
import { startOrigin } from "../support/origin.ts";
import { startSidecarProcess } from "../support/sidecar.ts";

const cleanups: (() => unknown)[] = [];
let browser: Browser;

beforeAll(async () => {
  browser = await launchChromium();
});

afterAll(() => browser?.close());

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const ROUTES = `
routes:
  - path: /products/:id
    cache: { ttl: 5m, tags: ["product:{id}"] }
    rateLimit: { limit: 5, window: 1h, by: header:x-who }
  - path: /*
    cache: false
`;

/** A sidecar in front of an origin, and the page; what a browser complains of is in `complaints`. */
async function start({ yaml = "", path = "/" } = {}) {
  const origin = await startOrigin((request, response) => void response.end(`this is ${request.url}`));
  cleanups.push(() => origin.close());
  const sidecar = await startSidecarProcess(`origin: ${origin.url}\n${ROUTES}${yaml}`);
  cleanups.push(() => sidecar.stop());
  const page = await browser.newPage();
  cleanups.push(() => page.close());
  const complaints = listenTo(page);
  const hearing = page.waitForResponse((answer) => answer.url().endsWith("/api/events") && answer.ok(), {
    timeout: 60_000,
  });
  hearing.catch(() => {}); // not every test listens for it
  await page.goto(sidecar.admin + path);
  return {
    ...{ origin, sidecar, page, complaints },
    /** Resolves when the page hears of events: those before are not told once more. */
    hearing,
  };
}

function listenTo(page: Page): string[] {
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return complaints;
}

const status = (page: Page) => page.locator("#status-text");
const row = (page: Page, table: string, text: string) => page.locator(`${table} tr`, { hasText: text });
const cell = (page: Page, table: string, text: string, column: number) =>
  row(page, table, text).locator("td").nth(column);

/** Waits until an element says it. */
async function says(element: ReturnType<Page["locator"]>, text: string | RegExp) {
  await expect.poll(() => element.textContent(), { timeout: 20_000 }).toMatch(text);
}

test("shows the sidecar's health, and the figures follow the requests as they are made", async () => {
  const { sidecar, page, complaints, hearing } = await start();
  await Promise.all([hearing, says(status(page), /^live$/)]);
  expect(await page.locator("#parts").textContent()).toContain("store");
  expect(await page.locator("#who").textContent()).toContain("0.1.0");
  await says(page.locator("#routes"), "Nothing has been asked for yet");
  for (let i = 0; i < 4; i++) await sidecar.fetch("/products/1", { headers: { "x-who": "a" } });
  await says(cell(page, "#routes", "/products/:id", 2), /^4$/);
  expect(await cell(page, "#routes", "/products/:id", 3).textContent()).toBe("75 %");
  expect(await cell(page, "#routes", "/products/:id", 4).textContent()).toBe("75 %");
  for (let i = 0; i < 4; i++) await sidecar.fetch("/products/1", { headers: { "x-who": "a" } });
  await says(cell(page, "#routes", "/products/:id", 6), /^3$/);
  await says(cell(page, "#limits", "/products/:id", 2), /^3$/);
  await says(page.locator("#events"), /refused3 × \/products\/:id/);
  await says(cell(page, "#top", "/products/1", 0), /^GET app\.test\/products\/1$/);
  expect(await page.locator("svg.chart").count()).toBe(3);
  expect(complaints).toEqual([]);
});

test("purges, says so, and hears of it as an event", async () => {
  const { sidecar, page, complaints, origin, hearing } = await start();
  await hearing;
  await sidecar.fetch("/products/1");
  await sidecar.fetch("/products/1");
  expect(origin.count()).toBe(1);
  await says(page.locator("#events"), /stored1 response/);
  await page.getByLabel("Which").fill("product:1");
  await page.getByRole("button", { name: "Purge" }).press("Enter");
  await says(page.locator("#purge-result"), /^Purged: tag:product:1, at .*; 1 of 1 sidecar knows, after/);
  await says(page.locator("#events"), /purgedtag:product:1/);
  await sidecar.fetch("/products/1");
  expect(origin.count()).toBe(2);
  expect(complaints).toEqual([]);
});

test("a purge of everything is asked for twice, and a mistake is told as the sidecar tells it", async () => {
  const { sidecar, page, origin } = await start();
  await sidecar.fetch("/products/1");
  await page.getByLabel("What", { exact: true }).selectOption("all");
  await page.getByRole("button", { name: "Purge everything" }).click();
  await says(page.locator("#purge-result"), "Press again");
  await sidecar.fetch("/products/1");
  expect(origin.count()).toBe(1);
  await page.getByRole("button", { name: "Yes, everything" }).click();
  await says(page.locator("#purge-result"), /^Purged: everything/);
  await sidecar.fetch("/products/1");
  expect(origin.count()).toBe(2);
  await page.getByLabel("What", { exact: true }).selectOption("route");
  await page.getByLabel("Which").fill("/none");
  await page.getByRole("button", { name: "Purge", exact: true }).click();
  await says(page.locator("#purge-result"), '"route" must be the path of a route');
});

test("explains what would be done with a request, by the form and by a key of the list", async () => {
  const { sidecar, page, complaints, origin } = await start();
  await page.getByLabel("URL, as a client asks for it").fill("http://app.test/products/1?page=2");
  await page.getByLabel("Header fields, one in each line").fill("Accept-Language: de\nX-Who: a");
  await page.getByRole("button", { name: "Explain", exact: true }).click();
  const result = page.locator("#explain-result");
  await says(result, "tag:product:1");
  const said = await result.textContent();
  for (const part of ["/products/:id", "id = 1", "5 per 3600 s", "path:app.test/products/1", "page=2", "nothing"]) {
    expect(said).toContain(part);
  }
  expect(origin.count()).toBe(0);
  await page.getByLabel("Header fields, one in each line").fill("");
  await sidecar.fetch("/products/7");
  await page.getByLabel("Explain GET app.test/products/7").click({ timeout: 20_000 });
  await says(result, /state.*fresh/);
  expect(await page.getByLabel("URL, as a client asks for it").inputValue()).toBe("http://app.test/products/7");
  expect(complaints).toEqual([]);
  await page.getByLabel("URL, as a client asks for it").fill("nonsense:");
  await page.getByRole("button", { name: "Explain", exact: true }).click();
  await says(result, /^(?!.*fresh).+\.$/);
});

test("says that the sidecar is gone, and goes on when it is asked to pause", async () => {
  const { sidecar, page } = await start();
  await says(status(page), /^live$/);
  await page.getByRole("button", { name: "Pause" }).click();
  await says(status(page), /^paused$/);
  await sidecar.stop();
  await page.getByRole("button", { name: "Pause" }).click();
  await says(page.locator("#trouble"), /^The sidecar does not answer\. Since/);
  await says(status(page), /^no answer$/);
  expect(await page.locator("#trouble").getAttribute("role")).toBe("alert");
});

test("where there is a token the page asks for it, sends it along, and forgets it when told to", async () => {
  const { sidecar, page, hearing } = await start({ yaml: "adminToken: open-sesame-and-more\n" });
  const field = page.getByLabel("Token", { exact: true });
  await field.waitFor();
  expect(await page.locator("main").isVisible()).toBe(false);
  await field.fill("not-the-one-but-long");
  await field.press("Enter");
  await says(page.locator("#trouble"), "That is not this sidecar's token.");
  await field.fill("open-sesame-and-more");
  await field.press("Enter");
  await Promise.all([hearing, says(status(page), /^live$/)]);
  await sidecar.fetch("/products/1");
  await says(cell(page, "#routes", "/products/:id", 2), /^1$/);
  await says(page.locator("#events"), /stored1 response/);
  await page.getByLabel("Which").fill("product:1");
  await page.getByRole("button", { name: "Purge" }).click();
  await says(page.locator("#purge-result"), /^Purged/);
  await page.reload();
  await says(status(page), /^live$/);
  await page.getByRole("button", { name: "Forget token" }).click();
  await field.waitFor();
  await page.reload();
  await field.waitFor();
});
