// Does the origin still answer what the cache has just answered? For a sample of the hits it is asked behind the client's
// back, and the two are compared; nothing is changed by what is found.
//
// It is asked with all that the client sent, but for the conditions that the cache has answered: credentials too. Without a
// cache the origin would have had exactly this request, once; so it does now. Only that proves what this client would
// have got. Where the answers differ and credentials went along that the key does not hold, it is asked once more without them:
// if it then gives what is stored, that was made for others.

import type { Signal } from "../http/abort.ts";
import { has, without } from "../http/fields.ts";
import type { Fields, Response } from "../http/message.ts";
import { type Compared, compared, type Digest, digestOf, overheard } from "./comparing.ts";
import type { Origin } from "./fetching.ts";
import type { Judge, Told } from "./finding.ts";
import { withOwnTags } from "./own-tags.ts";
import type { CachePolicy } from "./policy.ts";
import type { StoredResponse } from "./stored-response.ts";
import { conditionalFields } from "./validation.ts";
import { behind, type Visit } from "./visit.ts";

export interface VerifyParts extends Judge {
  readonly origin: Origin;
  readonly told: Told;
  /** Aborts when the process is to end: for a comparison nobody waits. */
  readonly closing?: Signal | undefined;
  /** Epoch ms. */
  readonly now: () => number;
}

/** Asks for what was just answered with `stored`, and compares. Never throws, and holds nobody up. */
export type Verify = (visit: Visit, stored: StoredResponse) => void;

/** How many are under way at once, at most; more hits of the sample are not verified. */
const MAX_CHECKS = 4;
/** For an answer's content, ms. */
const CONTENT_MS = 60_000;

export function createVerify({ origin, told, judge, now, closing }: VerifyParts): Verify {
  let underWay = 0;

  async function verified(visit: Visit, stored: StoredResponse): Promise<void> {
    const askedAt = now();
    const fields = conditionalFields(visit.request);
    const { result, status } = await asked(visit, stored, fields);
    if (result.kind === "incomparable") return told(visit, { kind: "unjudged", why: result.why });
    const storedAt = stored.responseTime;
    if (result.kind === "same") return told(visit, { kind: "same", storedAt, askedAt });
    const { aspects } = result;
    const at = now();
    const names = credentials(visit);
    const isProven = names.length > 0 && (await isSameWithout(new Set(names), visit, stored));
    const about = { status: { stored: stored.status, origin: status }, storedAt, at };
    const apart = isProven ? names : undefined;
    await judge(visit, { kind: "different", by: "verify", aspects, ...about, apart, isProven });
  }

  async function isSameWithout(names: ReadonlySet<string>, visit: Visit, stored: StoredResponse): Promise<boolean> {
    const { result } = await asked(visit, stored, without(conditionalFields(visit.request), names));
    return result.kind === "same";
  }

  async function asked(
    visit: Visit,
    stored: StoredResponse,
    fields: Fields,
  ): Promise<{ result: Compared; status: number }> {
    const received = await origin(visit.request, { fields, signal: closing, trace: visit.trace });
    const response = withOwnTags(received, visit.policy);
    const digest = await digestIn(response.content, stored.body.byteLength);
    const { status } = response;
    if (digest === undefined) return { result: { kind: "incomparable", why: "failed" }, status };
    const { text } = digestOf(stored.body);
    return { result: compared({ visit, stored, digest: text, response, came: digest.text }), status };
  }

  return (visit, stored) => {
    if (visit.request.method !== "GET") return;
    if (underWay >= MAX_CHECKS) return told(visit, { kind: "unjudged", why: "busy" });
    underWay += 1;
    const checking = behind(visit);
    // The hit is on its way first.
    setImmediate(() => {
      void verified(checking, stored)
        .catch(() => told(checking, { kind: "unjudged", why: "failed" }))
        .finally(() => {
          underWay -= 1;
        });
    });
  };
}

/** The credentials that go along and that the key does not hold. */
function credentials({ request, policy }: Visit): readonly string[] {
  return ["authorization", "cookie"].filter((name) => has(request.fields, name) && !isKeyed(name, policy));
}

function isKeyed(name: string, { key }: CachePolicy): boolean {
  return key.headers.some((each) => each.toLowerCase() === name);
}

/** Reads it to its end; undefined: it broke off, or takes too long. Of more than `most` bytes it is nobody's digest. */
function digestIn(content: Response["content"], most: number): Promise<Digest | undefined> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const read = overheard(content, (digest) => {
      clearTimeout(timer);
      resolve(digest);
    });
    if (read === undefined || read instanceof Uint8Array) return;
    let bytes = 0;
    const write = (piece: Uint8Array) => {
      if (bytes > most) return false;
      bytes += piece.byteLength;
      if (bytes <= most) return true;
      clearTimeout(timer);
      resolve({ text: "", bytes });
      queueMicrotask(() => flow.cancel()); // not before `start` has returned
      return false;
    };
    const flow = read.start({ write, end: () => {}, fail: () => {} });
    if (bytes > most) return;
    timer = setTimeout(() => flow.cancel(), CONTENT_MS).unref();
  });
}
