// What is stored for a request, and what would come of it? Asked of the store apart: no limit is charged, nothing is
// fetched, and nothing counts as used.

import { currentAge, staleness } from "../cache/freshness.ts";
import { responseTags } from "../cache/own-tags.ts";
import type { Reuse } from "../cache/reuse.ts";
import type { StoredResponse } from "../cache/stored-response.ts";
import { decide, namesOf, secondsSincePurge, type Visit } from "../cache/visit.ts";
import type { Reading, Store, Stored } from "../store/store.ts";
import { type Explained, keyOf } from "./explain.ts";
import type { Explanation, StoredResponseSaid, StoredSaid } from "./explanation.ts";
import { rulesFor } from "./freshness-rules.ts";

type Shelves = Pick<Store<StoredResponse>, "look" | "held" | "leased">;

/** More slots than these are not asked about one by one. */
const MAX_BLAMED = 400;

interface Source {
  readonly store: Shelves;
  /** The name that this process stores under. */
  readonly sidecar: string | undefined;
  /** Epoch ms. */
  readonly now: () => number;
}

/** `explained` with what is stored. `hasSample`: its freshness is that of a given response, and stays. */
export async function withStored(
  { explanation, visit }: Explained,
  { store, sidecar, now, hasSample }: Source & { readonly hasSample: boolean },
): Promise<Explanation> {
  if (visit === undefined) return explanation;
  const reading = await store.look({ key: visit.key, tags: visit.tags, limits: [], certain: true, apart: true });
  const { fence, record, stored } = reading;
  const names = namesOf(reading);
  const { decision } = decide(asRead(visit), reading, now());
  const said: StoredSaid = {
    answered: fence.shared,
    isShadowed: visit.policy.mode === "shadow",
    decision: decision.kind,
    reason: reasonOf(decision),
    clock: fence.shared ? fence.clock : null,
    passUntil: record !== undefined && record.passUntil > now() ? record.passUntil : null,
    leaseMs: (await store.leased?.(visit.key, names)) || null,
    response: stored === undefined ? null : await responseSaid({ visit, reading, stored }, { store, sidecar, now }),
  };
  const seen = stored === undefined || hasSample ? explanation : withResponse({ explanation, visit }, stored.value);
  return { ...seen, key: hasSample ? seen.key : keyOf(visit, record === undefined ? undefined : names), stored: said };
}

/** What a GET would get, where something else is asked about. */
function asRead(visit: Visit): Visit {
  const { request } = visit;
  if (request.method === "GET" || request.method === "HEAD") return visit;
  const { scheme, authority, target, fields, peer, signal } = request;
  const get = {
    method: "GET",
    scheme,
    authority,
    target,
    fields,
    peer,
    signal,
    content: undefined,
    upgrade: undefined,
  };
  return { ...visit, request: get };
}

function reasonOf(decision: Reuse): string | null {
  return "reason" in decision ? decision.reason : null;
}

interface Looked {
  readonly visit: Visit;
  readonly reading: Reading<StoredResponse>;
  readonly stored: Stored<StoredResponse>;
}

async function responseSaid(
  { visit, reading, stored }: Looked,
  { store, sidecar, now: clock }: Source,
): Promise<StoredResponseSaid> {
  const { value, stamp, tags, keepUntil, by } = stored;
  const now = clock();
  const held = store.held?.(visit.key);
  const isHeld = held !== undefined && held.stamp === stamp;
  const isSoft = reading.softAt !== undefined;
  const isOvertaken = !reading.usable || isSoft;
  const all = [...new Set([...tags, ...visit.tags])];
  return {
    status: value.status,
    bytes: visit.policy.mode === "shadow" ? null : value.body.byteLength,
    age: Math.floor(currentAge(value, now)),
    lifetime: value.lifetime,
    ttl: Math.floor(0 - staleness(value, { now, endedFor: secondsSincePurge(reading, now) })),
    etag: value.etag ?? null,
    stamp,
    tags,
    fetchedAt: value.responseTime,
    keptUntil: keepUntil,
    state: !reading.usable ? "invalidated" : isSoft ? "soft-purged" : "usable",
    because: isOvertaken && reading.fence.shared ? await overtaking({ stamp, tags: all, isSoft }, store) : [],
    storedBy: by === undefined ? null : { sidecar: by, isThis: by === sidecar },
    tier: isHeld || store.leased === undefined ? "memory" : "redis",
    hits: isHeld ? held.hits : null,
  };
}

/** Which of `tags` were invalidated, or purged softly, later than `stamp`: each is asked about alone. */
async function overtaking(
  { stamp, tags, isSoft }: { stamp: number; tags: readonly string[]; isSoft: boolean },
  { look }: Shelves,
): Promise<StoredResponseSaid["because"]> {
  const ask = async (tags: readonly string[]) => {
    const { fence } = await look({ key: undefined, tags, limits: [], since: stamp, certain: true, apart: true });
    if (!fence.shared) return 0;
    return Math.max(fence.latest, isSoft ? (fence.soft ?? 0) : 0);
  };
  const [floor = 0, ...clocks] = await Promise.all([ask([]), ...tags.slice(0, MAX_BLAMED).map((tag) => ask([tag]))]);
  if (floor > stamp) return [{ tag: "floor", clock: floor }];
  return clocks.flatMap((clock, i) => (clock > stamp ? [{ tag: tags[i] ?? "", clock }] : []));
}

/** Its freshness and tags as those of what is stored. */
function withResponse({ explanation, visit }: { explanation: Explanation; visit: Visit }, value: StoredResponse) {
  const { status, fields, targeted, requestTime, responseTime, lifetime, alwaysValidate } = value;
  const { policy } = visit;
  const rules = rulesFor({ status, fields, targeted, policy, requestTime, responseTime, random: () => 0 });
  const { staleWhileRevalidate, staleIfError } = value;
  const response = { status, refused: null, lifetime, staleWhileRevalidate, staleIfError, alwaysValidate };
  const own = responseTags(visit.request, value) ?? [];
  return { ...explanation, freshness: { rules, response }, tags: [...new Set([...explanation.tags, ...own])] };
}
