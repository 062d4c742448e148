// How an operator purges: POST /api/purge on the admin listener, with what is meant as JSON, and PURGE on the public one.
// What is meant is cache/purge.ts' affair, what is answered that of store/receipts.ts.

import { field } from "../http/fields.ts";
import type { Request, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import { isForwarded, isOfOtherPage } from "./gate.ts";
import { json, readJson } from "./json.ts";

/** A receipt to be shown, or what is wrong with what was asked. */
export type Purged =
  | { readonly kind: "receipt"; readonly receipt: { readonly clock: number | null } }
  | { readonly kind: "mistake"; readonly text: string };

/** `what` is JSON as it came. `isForAll`: it is waited until all sidecars have heard, or for some seconds. */
export type Purge = (what: unknown, isForAll: boolean) => Promise<Purged>;

const MAX_BYTES = 65_536;

/** POST /api/purge. JSON must be said to be JSON: no page of another site can send that unasked. */
export async function answerPurge(request: Request, purge: Purge): Promise<Response> {
  const type = field(request.fields, "content-type") ?? "";
  if (!/^application\/json *(?:;|$)/i.test(type)) return problem(415, "Send application/json, as curl --json does.");
  const { searchParams } = new URL(request.target, "http://localhost");
  const wait = searchParams.get("wait");
  if (wait !== null && wait !== "all") return problem(400, "There is ?wait=all, or no wait.");
  const read = await readJson(request, MAX_BYTES);
  if (read.kind === "too-long") return problem(413, `A purge is at the most ${MAX_BYTES} bytes long.`);
  if (read.kind === "not-json") return problem(400, "The content is not JSON.");
  return answered(await purge(read.value, wait === "all"));
}

interface PurgeMethodOptions {
  /** Whether the other end of a connection may purge. */
  readonly allows: (peer: string) => boolean;
  readonly purge: (authority: string, target: string) => Promise<Purged>;
}

/** `handler` with PURGE answered here, from those who may. */
export function withPurgeMethod<Answer extends Response | Promise<Response>>(
  handler: (request: Request) => Answer,
  { allows, purge }: PurgeMethodOptions,
): (request: Request) => Answer | Response | Promise<Response> {
  return (request) => {
    if (request.method !== "PURGE") return handler(request);
    if (!mayPurge(request, allows)) return problem(403, "PURGE is not allowed from there.");
    return purge(request.authority, request.target).then(answered);
  };
}

/** Whether PURGE is taken from there. `allows`: as in PurgeMethodOptions. */
export function mayPurge(
  request: Pick<Request, "peer" | "authority" | "fields">,
  allows: (peer: string) => boolean,
): boolean {
  return allows(request.peer) && !isForwarded(request.fields) && !isOfOtherPage(request);
}

/** 202: taken, but the store does not know yet. */
function answered(purged: Purged): Response {
  if (purged.kind === "mistake") return problem(400, purged.text);
  return json(purged.receipt.clock === null ? 202 : 200, purged.receipt);
}
