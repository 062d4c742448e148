// What does the operator's side ask of this process? Whether it lives (/healthz: restart it if not) and whether it
// should be sent requests (/readyz: it keeps serving while Redis is away, so that is "degraded" and still 200).
// Answers Request with Response, like the proxy; which address it listens on is main.ts' affair.

import type { Fields, Request, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";

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
}

/** The handler of the admin listener. Never throws. */
export function createAdmin(options: AdminOptions): (request: Request) => Response {
  const pages: ReadonlyMap<string, () => Response> = new Map([
    ["/healthz", () => json(200, { status: "ok" })],
    ["/readyz", () => readiness(options)],
  ]);
  return (request) => {
    const [path = ""] = request.target.split("?", 1);
    return withoutContent(request.method, respond(request.method, pages.get(path)));
  };
}

function respond(method: string, page: (() => Response) | undefined): Response {
  if (page === undefined) return problem(404, "There is /healthz and /readyz.");
  if (method !== "GET" && method !== "HEAD") return problem(405, "Ask with GET or HEAD.", ["Allow", "GET, HEAD"]);
  return page();
}

function readiness({ health, isReady }: AdminOptions): Response {
  const parts = health();
  if (!isReady()) return json(503, { status: "not ready", parts });
  const isDegraded = Object.values(parts).some(({ state }) => state !== "ok");
  return json(200, { status: isDegraded ? "degraded" : "ok", parts });
}

function json(status: number, body: unknown): Response {
  const content = new TextEncoder().encode(`${JSON.stringify(body)}\n`);
  const fields: Fields = [
    "Content-Type",
    "application/json",
    "Content-Length",
    `${content.byteLength}`,
    "Cache-Control",
    "no-store",
  ];
  return { status, fields, content };
}

/** RFC 9110 §9.3.2: as for GET, Content-Length included, but without the content. */
function withoutContent(method: string, response: Response): Response {
  return method === "HEAD" ? { ...response, content: undefined } : response;
}
