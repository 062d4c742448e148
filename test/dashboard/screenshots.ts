// The README's pictures of the dashboard: `node test/dashboard/screenshots.ts`. The page and what counts are the real ones;
// the hour of traffic behind them is made up (hour.ts).

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { explain } from "../../src/explain/answer.ts";
import { launchChromium } from "../support/chromium.ts";
import { passHour, tellEvents } from "./hour.ts";
import { startPanel } from "./panel.ts";

const FOLDER = join(import.meta.dirname, "screenshots");

const SHOTS = [
  { name: "dark", colorScheme: "dark", viewport: { width: 1280, height: 800 } },
  { name: "light", colorScheme: "light", viewport: { width: 1280, height: 800 } },
  { name: "phone", colorScheme: "dark", viewport: { width: 360, height: 780 } },
  { name: "explain", colorScheme: "light", viewport: { width: 1000, height: 800 } },
] as const;

const example = join(import.meta.dirname, "../../proxy.config.yaml");
const flags = { config: undefined, origin: undefined, listen: undefined, admin: undefined, redis: undefined };
const config = loadConfig({ file: example, env: {}, flags: { ...flags, logLevel: undefined } });
const panel = await startPanel({
  health: () => ({ store: { state: "ok", detail: "Redis 7.0.15 at redis://10.0.0.5:6379, 4 connections" } }),
  async explain(asked) {
    const said = await explain(asked, { config, now: Date.now });
    return said.kind === "mistake" ? said : { kind: "explanation", explanation: said.value };
  },
});
passHour(panel);
mkdirSync(FOLDER, { recursive: true });
const browser = await launchChromium();
try {
  for (const { name, colorScheme, viewport } of SHOTS) {
    const page = await browser.newPage({ colorScheme, viewport });
    await page.goto(panel.url);
    await page.getByText("live", { exact: true }).waitFor();
    await page.locator("#top tr").nth(5).waitFor();
    tellEvents(panel);
    await page.locator("#events li").nth(7).waitFor();
    if (name === "explain") {
      await page.getByLabel("Explain GET shop.example/products/1").first().click();
      await page.locator("#explain-result dl").waitFor();
      await page.evaluate("document.activeElement.blur()");
    }
    const shown = name === "explain" ? page.locator("section", { has: page.locator("#explain-form") }) : page;
    await shown.screenshot({ path: join(FOLDER, `${name}.png`) });
    await page.close();
  }
} finally {
  await browser.close();
  await panel.close();
}
