// What is called how in Redis? All names but the prefix are digests: nothing a client sends is ever part of one. A
// digest is 192 bits of SHA-256, so two keys that share one are not to be found, and a value need not repeat its key.
// What is in {braces} decides the node of a Redis Cluster: a key's parts stay together, and so does the fence.

import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { LimitQuestion } from "./store.ts";

const DIGEST_LENGTH = 32;

/** 32 characters of base64url; injective for all that matters. */
export function digestOf(text: string): string {
  return hash("sha256", text, "base64url").slice(0, DIGEST_LENGTH);
}

export interface RedisKeys {
  readonly fence: string;
  readonly journal: string;
  /** Which sidecars live. */
  readonly live: string;
  /** Channel. */
  readonly invalidated: string;
  /** Channel of what is told about `subject`. */
  bus(subject: string): string;
  /** Under which nothing is kept, and a channel that nobody listens to: for trying. */
  readonly probe: { readonly key: string; readonly channel: string };
  /** For a moment, and only so that something is written. */
  readonly waited: string;
  record(digest: string): string;
  /** `variant` is the text that Key.variant gives. */
  variant(digest: string, variant: string): string;
  /** The same, made of its two halves: what all variants of a key begin with, and which it is. */
  readonly variants: { stem(digest: string): string; id(variant: string): string };
  /** Which variants a key has. */
  index(digest: string): string;
  lease(digest: string, variant: string): string;
  /** Channel. */
  landed(digest: string, variant: string): string;
  limit(question: LimitQuestion): string;
}

export function createRedisKeys(prefix: string): RedisKeys {
  // Most keys have one variant only; its digest is not worked out each time.
  const short = (variant: string) => (variant === "" ? "-" : digestOf(variant));
  // Limits are as many as the configuration has; what is worked out for each request is whose quota it is.
  const limits = new LRUCache<string, string>({ max: 1000, memoMethod: digestOf });
  return {
    fence: `${prefix}:{fence}:slots`,
    journal: `${prefix}:{fence}:w`,
    live: `${prefix}:{fence}:live`,
    invalidated: `${prefix}:invalidated`,
    bus: (subject) => `${prefix}:${subject}`,
    probe: { key: `${prefix}:{fence}:probe`, channel: `${prefix}:probe` },
    waited: `${prefix}:{fence}:waited`,
    record: (digest) => `${prefix}:{${digest}}:r`,
    variant: (digest, variant) => `${prefix}:{${digest}}:v:${short(variant)}`,
    variants: { stem: (digest) => `${prefix}:{${digest}}:v:`, id: short },
    index: (digest) => `${prefix}:{${digest}}:i`,
    lease: (digest, variant) => `${prefix}:{${digest}}:lease:${short(variant)}`,
    landed: (digest, variant) => `${prefix}:landed:${digest}:${short(variant)}`,
    limit: ({ key, client = key, algorithm }) =>
      `${prefix}:l:{${digestOf(client)}}:${limits.memo(key.slice(0, key.length - client.length))}:${algorithm}`,
  };
}
