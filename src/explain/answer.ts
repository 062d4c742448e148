// From what was typed to what is said: for /api/explain with the store, for `forebay explain` without one.

import type { StoredResponse } from "../cache/stored-response.ts";
import type { Config } from "../config/schema.ts";
import type { Store } from "../store/store.ts";
import { createExplainer } from "./explain.ts";
import type { Explanation } from "./explanation.ts";
import { withStored } from "./live.ts";
import { type AskedText, fieldsFrom, type Read, requestFrom } from "./request.ts";

export interface Asked extends AskedText {
  readonly response: { readonly status: number; readonly headers: readonly string[] } | undefined;
}

interface Parts {
  readonly config: Config;
  /** Which of the process' configurations it is (Key.era); left out: the only one. */
  readonly era?: number;
  /** Epoch ms. */
  readonly now: () => number;
  /** Left out: nothing is said of what is stored. */
  readonly store?: Pick<Store<StoredResponse>, "look" | "held" | "leased">;
  /** The name that this process stores under. */
  readonly sidecar?: string;
}

/** Never rejects for what was typed. */
export async function explain(asked: Asked, { config, era, now, store, sidecar }: Parts): Promise<Read<Explanation>> {
  const request = requestFrom(asked);
  if (request.kind === "mistake") return request;
  const fields = fieldsFrom(asked.response?.headers ?? []);
  if (fields.kind === "mistake") return fields;
  const sample = asked.response && { status: asked.response.status, fields: fields.value };
  const explained = createExplainer(config, now, era)(request.value, sample);
  if (store === undefined) return { kind: "read", value: explained.explanation };
  const value = await withStored(explained, { store, sidecar, now, hasSample: sample !== undefined });
  return { kind: "read", value };
}
