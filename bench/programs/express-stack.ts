// The peer most Node services are built of: express, express-rate-limit, http-proxy-middleware with a keep-alive agent.
// express has no types of its own; the two interfaces below are what is used of it.

import { Agent, createServer, type RequestListener } from "node:http";
import { createRequire } from "node:module";
import { options, serve } from "./child.ts";

type Express = RequestListener & { use(...handlers: unknown[]): void; disable(setting: string): void };
type Make<Options> = (options: Options) => unknown;

const { origin } = options<{ origin: string }>();
const require = createRequire(import.meta.url);
const express = require("express") as () => Express;
const { rateLimit } = require("express-rate-limit") as { rateLimit: Make<object> };
const { createProxyMiddleware } = (await import("http-proxy-middleware")) as { createProxyMiddleware: Make<object> };

const app = express();
app.disable("x-powered-by");
app.use("/over", limitOf(1));
app.use("/pass-limited", limitOf(1_000_000_000));
app.use(createProxyMiddleware({ target: origin, agent: new Agent({ keepAlive: true, maxSockets: 128 }) }));
serve(createServer(app));

function limitOf(limit: number): unknown {
  return rateLimit({ limit, windowMs: 3_600_000, standardHeaders: "draft-8", legacyHeaders: true });
}
