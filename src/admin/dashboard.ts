// GET / on the admin listener: the dashboard, a page and the few files beside it (dashboard/), as they are written: no
// build step. They hold no data, so anybody who reaches the listener may have them; what they show they ask of /api/,
// whose gate decides. The page may load nothing and talk to nobody but this listener, and no other page may frame it.

import { readFile } from "node:fs/promises";
import type { Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";

/** By the path that is asked for: the file in dashboard/. */
const FILES: Readonly<Record<string, string>> = {
  "/": "index.html",
  "/dashboard/icon.svg": "icon.svg",
  "/dashboard/dashboard.css": "dashboard.css",
  "/dashboard/main.js": "main.js",
  "/dashboard/asking.js": "asking.js",
  "/dashboard/chart.js": "chart.js",
  "/dashboard/drawing.js": "drawing.js",
  "/dashboard/events.js": "events.js",
  "/dashboard/explanation.js": "explanation.js",
  "/dashboard/forms.js": "forms.js",
  "/dashboard/numbers.js": "numbers.js",
  "/dashboard/panels.js": "panels.js",
};

const TYPES: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** CSP Level 3; Trusted Types: text can become markup nowhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const FIELDS: readonly string[] = [
  ...["Cache-Control", "no-store", "Content-Security-Policy", POLICY, "X-Content-Type-Options", "nosniff"],
  ...["Referrer-Policy", "no-referrer", "Cross-Origin-Resource-Policy", "same-origin"],
  ...["Cross-Origin-Opener-Policy", "same-origin"],
];

interface DashboardPage {
  readonly method: "GET";
  readonly isGated: false;
  answer(): Response | Promise<Response>;
}

/** The pages by their paths; each is read from its file once, when it is first asked for. */
export function dashboardPages(): [path: string, page: DashboardPage][] {
  return Object.entries(FILES).map(([path, file]) => {
    let read: Response | undefined;
    const answer = () =>
      read ??
      pageOf(file).then((page) => {
        if (page.status === 200) read = page;
        return page;
      });
    return [path, { method: "GET", isGated: false, answer }];
  });
}

async function pageOf(file: string): Promise<Response> {
  try {
    // Not Buffer's own kind of view: it would come from a pool that others write to.
    const content = new Uint8Array(await readFile(new URL(`dashboard/${file}`, import.meta.url)));
    const type = TYPES[file.slice(file.lastIndexOf(".") + 1)] ?? "";
    const fields = ["Content-Type", type, "Content-Length", String(content.byteLength), ...FIELDS];
    return { status: 200, fields, content };
  } catch {
    return problem(500, "The dashboard's files are missing from this installation.");
  }
}
