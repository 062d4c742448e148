// Requests, responses and policies for the tests of cache/: unremarkable unless told otherwise.

import type { CachePolicy } from "../../src/cache/policy.ts";
import type { StoredResponse } from "../../src/cache/stored-response.ts";
import type { Visit } from "../../src/cache/visit.ts";
import { formatHttpDate } from "../../src/http/date.ts";
import type { Fields, Request } from "../../src/http/message.ts";

/** The clock at which everything here happens, epoch ms. */
export const NOW = Date.UTC(2026, 0, 15, 12, 0, 0);

/** An HTTP-date `seconds` from now. */
export function dateIn(seconds: number): string {
  return formatHttpDate(NOW + seconds * 1000);
}

export function aRequest(target = "/", fields: Fields = [], more: Partial<Request> = {}): Request {
  return {
    method: "GET",
    scheme: "http",
    authority: "example.com",
    target,
    fields,
    content: undefined,
    peer: "192.0.2.1",
    signal: new AbortController().signal,
    upgrade: undefined,
    ...more,
  };
}

export function aPolicy(more: Partial<CachePolicy> = {}): CachePolicy {
  return {
    ttl: undefined,
    mode: "on",
    verify: 0,
    override: false,
    statuses: {},
    jitter: 0,
    refreshAhead: 0,
    heuristic: false,
    clientDirectives: "honor",
    setCookie: "refuse",
    staleWhileRevalidate: 0,
    staleIfError: 0,
    key: { query: "all", headers: [], cookies: [] },
    tags: [],
    exposeTags: false,
    maxBody: 1_000_000,
    collapse: { wait: 5000, lease: 10_000, followers: 10_000 },
    ...more,
  };
}

/** Received now, fresh for a minute. */
export function aStored(more: Partial<StoredResponse> = {}): StoredResponse {
  return {
    status: 200,
    fields: ["Content-Type", "text/plain", "Content-Length", "2", "Date", dateIn(0)],
    body: new TextEncoder().encode("ok"),
    requestTime: NOW,
    responseTime: NOW,
    initialAge: 0,
    lifetime: 60,
    staleWhileRevalidate: 0,
    staleIfError: 0,
    alwaysValidate: false,
    mustRevalidate: false,
    targeted: undefined,
    ownTags: [],
    etag: undefined,
    lastModified: undefined,
    names: [],
    ...more,
  };
}

/** Of "/", with nothing told of it yet. */
export function aVisit(more: Partial<Visit> = {}): Visit {
  return {
    request: aRequest(),
    policy: aPolicy(),
    key: { primary: "", variant: () => "" },
    tags: [],
    trace: { route: undefined, traceId: undefined, requestId: "", limit: "none", cache: "", msStore: 0, msOrigin: 0 },
    ...more,
  };
}
