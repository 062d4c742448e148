// JSON in and out of the admin listener.

import { Buffer } from "node:buffer";
import type { Request, Response } from "../http/message.ts";

/** Never stored by anyone. */
export function json(status: number, body: unknown): Response {
  const content = new TextEncoder().encode(`${JSON.stringify(body)}\n`);
  const length = String(content.byteLength);
  const fields = ["Content-Type", "application/json", "Content-Length", length, "Cache-Control", "no-store"];
  return { status, fields, content };
}

export type Read =
  | { readonly kind: "json"; readonly value: unknown }
  | { readonly kind: "too-long" }
  | { readonly kind: "not-json" };

/** The content of a request, of `maxBytes` at the most. */
export async function readJson({ content }: Pick<Request, "content">, maxBytes: number): Promise<Read> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of content ?? []) {
      bytes += piece.byteLength;
      if (bytes > maxBytes) return { kind: "too-long" };
      pieces.push(piece);
    }
    return { kind: "json", value: JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(pieces))) };
  } catch {
    return { kind: "not-json" }; // or the client has left, and nobody reads this
  }
}
