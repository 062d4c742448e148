// What does the operator's side ask of this process? Whether it lives (/healthz: restart it if not), whether it should
// be sent requests (/readyz: it keeps serving while Redis is away, so that is "degraded" and still 200), to purge
// (/api/purge), what it would do and why (/api/explain), what happens (/api/events), which configuration is in use
// (/api/config), and whether caching is safe (/api/shadow). Health is for everybody who gets here; the rest passes a gate (gate.ts).
// Answers Request with Response, like the proxy; which address it listens on is main.ts' affair.

import type { Request, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import { type AskedStats, answerStats } from "./asked-stats.ts";
import type { ConfigStatus } from "./configuration.ts";
import { dashboardPages } from "./dashboard.ts";
import { createEventStreams, type Feed } from "./event-stream.ts";
import { answerExplain, type Explain } from "./explaining.ts";
import type { Gate } from "./gate.ts";
import { json } from "./json.ts";
import { answerPurge, type Purge } from "./purging.ts";
import type { ShadowStatus } from "./shadow.ts";

/** One part's state; `detail` is for a person. */
export interface PartHealth {
  readonly state: "ok" | "degraded";
  readonly detail: string;
}

interface AdminOptions {
  /** By the name of the part, such as "store". */
  readonly health: () => Readonly<Record<string, PartHealth>>;
  /** False while starting and while draining. */
  readonly isReady: () => boolean;
  /** Who may use what begins with /api/. */
  readonly gate: Gate;
  readonly purge: Purge;
  readonly explain: Explain;
  readonly events: Feed;
  readonly config: () => ConfigStatus;
  /** What GET /api/stats tells, as JSON. */
  readonly stats: (asked: AskedStats) => unknown;
  /** Answers GET /metrics. */
  readonly metrics: () => Promise<Response>;
  /** Whether the gate asks for a token. */
  readonly hasToken: () => boolean;
  readonly shadow: () => ShadowStatus;
}

interface Page {
  /** The one method it takes; with GET goes HEAD, unless `isEndless`. */
  readonly method: "GET" | "POST";
  readonly isEndless?: boolean;
  /** "with token": only where the gate asks for one. */
  readonly isGated: boolean | "with token";
  answer(request: Request): Response | Promise<Response>;
}

const THERE_IS =
  "There is / for people, /healthz, /readyz, /metrics, /api/purge, /api/explain, /api/config, /api/stats, /api/shadow and /api/events.";

/** The handler of the admin listener. Never throws, never rejects. */
export function createAdmin(options: AdminOptions): (request: Request) => Response | Promise<Response> {
  const events = createEventStreams(options.events);
  const pages = new Map<string, Page>([
    ["/healthz", { method: "GET", isGated: false, answer: () => json(200, { status: "ok" }) }],
    ["/readyz", { method: "GET", isGated: false, answer: () => readiness(options) }],
    // Like health where there is no token: it is scraped from another machine, by a name, and tells of no client. Prometheus can send one.
    ["/metrics", { method: "GET", isGated: "with token", answer: options.metrics }],
    ["/api/purge", { method: "POST", isGated: true, answer: (request) => answerPurge(request, options.purge) }],
    ["/api/explain", { method: "GET", isGated: true, answer: (request) => answerExplain(request, options.explain) }],
    ["/api/config", { method: "GET", isGated: true, answer: () => json(200, options.config()) }],
    ["/api/stats", { method: "GET", isGated: true, answer: (request) => answerStats(request, options.stats) }],
    ["/api/shadow", { method: "GET", isGated: true, answer: () => json(200, options.shadow()) }],
    ["/api/events", { method: "GET", isEndless: true, isGated: true, answer: events }],
    ...dashboardPages(),
  ]);
  return (request) => {
    const [path = ""] = request.target.split("?", 1);
    const answer = respond(request, pages.get(path), options);
    if (request.method !== "HEAD") return answer;
    return answer instanceof Promise ? answer.then(withoutContent) : withoutContent(answer);
  };
}

function respond(
  request: Request,
  page: Page | undefined,
  { gate, hasToken }: Pick<AdminOptions, "gate" | "hasToken">,
): Response | Promise<Response> {
  if (page === undefined) return problem(404, THERE_IS);
  const takes = page.method === "GET" && page.isEndless !== true ? ["GET", "HEAD"] : [page.method];
  if (!takes.includes(request.method)) {
    return problem(405, `Ask with ${takes.join(" or ")}.`, ["Allow", takes.join(", ")]);
  }
  const isGated = page.isGated === "with token" ? hasToken() : page.isGated;
  return (isGated ? gate(request) : undefined) ?? page.answer(request);
}

function readiness({ health, isReady }: AdminOptions): Response {
  const parts = health();
  if (!isReady()) return json(503, { status: "not ready", parts });
  const isDegraded = Object.values(parts).some(({ state }) => state !== "ok");
  return json(200, { status: isDegraded ? "degraded" : "ok", parts });
}

/** RFC 9110 §9.3.2: as for GET, Content-Length included, but without the content. */
function withoutContent(response: Response): Response {
  return { ...response, content: undefined };
}
