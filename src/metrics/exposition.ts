// GET /metrics: the catalogue's values in Prometheus' text format. prom-client writes it, and is loaded when it is first
// asked for; values are read then, too, so that between two scrapes nothing is done.

import { Buffer } from "node:buffer";
import type { Response } from "../http/message.ts";
import { CATALOGUE, linesOf, type Sources } from "./catalogue.ts";

/** The function that answers a scrape. */
export function createExposition(sources: Sources): () => Promise<Response> {
  let registry: ReturnType<typeof registryOf> | undefined;
  return async () => {
    registry ??= registryOf(sources);
    const { metrics, contentType } = await registry;
    const content = Buffer.from(await metrics());
    const length = String(content.length);
    const fields = ["Content-Type", contentType, "Content-Length", length, "Cache-Control", "no-store"];
    return { status: 200, fields, content };
  };
}

async function registryOf(sources: Sources) {
  const { Registry } = await import("prom-client");
  const registry = new Registry();
  for (const metric of CATALOGUE) {
    const { name, help, type } = metric;
    const get = async () => ({ name, help, type, values: [...linesOf(metric, sources)] });
    // It calls for no more of a metric than this; its type says so of its own classes only.
    registry.registerMetric({ name, help, type, get } as unknown as Parameters<typeof registry.registerMetric>[0]);
  }
  return { metrics: () => registry.metrics(), contentType: registry.contentType };
}
