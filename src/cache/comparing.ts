// Is what the origin answers what the cache answers, or would have? Compared is what makes another answer for a client:
// the status, the content by its digest, and a short fixed list of fields. Not what each answer has of its own (Date,
// Age, ids), and nothing of it is kept.

import { createHash } from "node:crypto";
import { field, lines } from "../http/fields.ts";
import type { Flow, Response, Sink, Source } from "../http/message.ts";
import { clientHolds } from "./delivery.ts";
import { directivesOf, isForWhole } from "./directives.ts";
import type { StoredHead } from "./stored-response.ts";
import { ownNames } from "./storing.ts";
import type { Visit } from "./visit.ts";

/** In what two answers differ: "status", "content", the name of a field, or "private" and "no-store": what one of them says
 * would have kept it from being stored. */
export type Aspect = "status" | "content" | "private" | "no-store" | (typeof COMPARED)[number];

const COMPARED = [
  ...(["content-type", "content-encoding", "content-language", "content-disposition", "location", "etag"] as const),
  ...(["vary", "set-cookie", "www-authenticate", "access-control-allow-origin"] as const),
] as const;

/** A content's, and how long it is. */
export interface Digest {
  readonly text: string;
  readonly bytes: number;
}

export type Compared =
  | { readonly kind: "same" }
  | { readonly kind: "different"; readonly aspects: readonly Aspect[] }
  /** What came says nothing of the whole: "failed", the origin did not do what it was asked for; "partial", for its client alone, or without the
   * content that would tell. */
  | { readonly kind: "incomparable"; readonly why: "failed" | "partial" };

interface Sides {
  readonly visit: Visit;
  readonly stored: StoredHead;
  /** Of the stored response's content. */
  readonly digest: string;
  readonly response: Pick<Response, "status" | "fields" | "targeted">;
  /** Of what came; undefined: it has none to be compared (HEAD, 304). */
  readonly came: string | undefined;
}

/** The answer to the request of `visit` beside what is stored for it. */
export function compared(sides: Sides): Compared {
  const { visit, stored, digest, response, came } = sides;
  const { status } = response;
  if ((status >= 500 && stored.status < 500) || status === 429) return { kind: "incomparable", why: "failed" };
  if (status === 206 || status === 416 || status === 412) return { kind: "incomparable", why: "partial" };
  if (status === 304) return compared304(sides);
  const aspects: Aspect[] = status === stored.status ? [] : ["status"];
  const isHead = visit.request.method === "HEAD";
  if (!isHead && came !== digest) aspects.push("content");
  aspects.push(...fieldsApart(sides), ...refusals(response, stored));
  if (aspects.length > 0) return { kind: "different", aspects };
  // Without its content a response is known to be the same by its ETag alone.
  return isHead && stored.etag === undefined ? { kind: "incomparable", why: "partial" } : { kind: "same" };
}

/** The client's own condition was answered. That says something of what is stored where both have an ETag, or where the cache
 * would have said the same. */
function compared304({ visit, stored, response }: Sides): Compared {
  const etag = field(response.fields, "etag");
  if (etag !== undefined && stored.etag !== undefined) {
    return etag === stored.etag ? { kind: "same" } : { kind: "different", aspects: ["etag"] };
  }
  return clientHolds(visit, stored) ? { kind: "same" } : { kind: "incomparable", why: "partial" };
}

/** Fields that are left out of what is stored are no part of what the cache answers. */
function fieldsApart({ visit, stored, response }: Sides): Aspect[] {
  const left = ownNames(directivesOf(response).cc, visit.policy);
  return COMPARED.filter((name) => {
    const here = lines(stored.fields, name);
    const there = left.includes(name) ? [] : lines(response.fields, name);
    return here.length !== there.length || here.some((line, i) => line !== there[i]);
  });
}

function refusals(response: Sides["response"], stored: StoredHead): Aspect[] {
  const { cc } = directivesOf(response);
  const before = directivesOf(stored).cc;
  const aspects: Aspect[] = [];
  if (isForWhole(cc, "private") && !isForWhole(before, "private")) aspects.push("private");
  if (cc.has("no-store") && !before.has("no-store")) aspects.push("no-store");
  return aspects;
}

export function digestOf(content: Uint8Array): Digest {
  return { text: createHash("sha256").update(content).digest("base64url"), bytes: content.byteLength };
}

/** `content` as it was, of which `hear` is told the digest once its reader has it all; undefined: it broke off, or was not wanted. */
export function overheard(content: Response["content"], hear: (digest: Digest | undefined) => void): typeof content {
  if (content === undefined || content instanceof Uint8Array) {
    hear(digestOf(content ?? new Uint8Array()));
    return content;
  }
  return new Overheard(content, hear);
}

class Overheard implements Source, Sink, Flow {
  readonly #content: Source;
  #hear: ((digest: Digest | undefined) => void) | undefined;
  readonly #hash = createHash("sha256");
  #bytes = 0;
  #sink: Sink | undefined;
  #flow: Flow | undefined;

  constructor(content: Source, hear: (digest: Digest | undefined) => void) {
    this.#content = content;
    this.#hear = hear;
  }

  start(sink: Sink): Flow {
    this.#sink = sink;
    this.#flow = this.#content.start(this);
    return this;
  }

  write(piece: Uint8Array): boolean {
    this.#hash.update(piece);
    this.#bytes += piece.byteLength;
    return this.#sink?.write(piece) ?? false;
  }

  end(trailers: readonly string[]): void {
    this.#sink?.end(trailers);
    this.#tell({ text: this.#hash.digest("base64url"), bytes: this.#bytes });
  }

  fail(error: Error): void {
    this.#sink?.fail(error);
    this.#tell(undefined);
  }

  resume(): void {
    this.#flow?.resume();
  }

  cancel(): void {
    this.#flow?.cancel();
    this.#tell(undefined);
  }

  /** Once. */
  #tell(digest: Digest | undefined): void {
    const hear = this.#hear;
    this.#hear = undefined;
    hear?.(digest);
  }
}
