// GET /api/explain: what would be done with a request, and why. What is asked is read here; what is answered is explain/'s.

import type { Request, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import { json } from "./json.ts";

/** As typed. */
export interface AskedAbout {
  readonly method: string;
  readonly url: string;
  /** "Name: value". */
  readonly headers: readonly string[];
  readonly from: string;
  /** A response that the origin might give; undefined: what is stored is looked at. */
  readonly response: { readonly status: number; readonly headers: readonly string[] } | undefined;
}

export type Explaining =
  | { readonly kind: "explanation"; readonly explanation: object }
  | { readonly kind: "mistake"; readonly text: string };

/** Charges no limit, and fetches and stores nothing. */
export type Explain = (asked: AskedAbout) => Promise<Explaining>;

const PARAMETERS = ["method", "url", "header", "from", "status", "response"];

export async function answerExplain({ target }: Pick<Request, "target">, explain: Explain): Promise<Response> {
  const { searchParams } = new URL(target, "http://localhost");
  const unknown = [...searchParams.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) return problem(400, `There is ${PARAMETERS.map((name) => `?${name}=`).join(", ")}.`);
  const url = searchParams.get("url");
  if (url === null || url === "") return problem(400, "Say what is asked about: ?url=http://host/path, and ?method=.");
  const status = searchParams.get("status");
  if (status !== null && !/^[2-5]\d\d$/.test(status)) return problem(400, "?status= is from 200 to 599.");
  const fields = searchParams.getAll("response");
  const explained = await explain({
    method: searchParams.get("method") || "GET",
    url,
    headers: searchParams.getAll("header"),
    from: searchParams.get("from") || "127.0.0.1",
    response: status === null && fields.length === 0 ? undefined : { status: Number(status ?? 200), headers: fields },
  });
  return explained.kind === "mistake" ? problem(400, sentence(explained.text)) : json(200, explained.explanation);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
}
