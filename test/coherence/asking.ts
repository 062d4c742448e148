// What is asked for at random, and how; and is what came a whole response?

import type { Dispatcher } from "undici";
import type { Read } from "./history.ts";
import type { Random } from "./random.ts";
import { ITEMS, LISTS, QUIET, TAGGED, TEAMS } from "./resources.ts";

export interface Asked {
  readonly method: "GET" | "HEAD";
  readonly headers: Readonly<Record<string, string>>;
}

export const plain: Asked = { method: "GET", headers: {} };

export function targetOf(random: Random): string {
  const draw = random.next();
  if (draw < 0.35) return `/items/${random.below(ITEMS)}${random.chance(0.2) ? "?full=1" : ""}`;
  if (draw < 0.55) return `/views/${random.below(ITEMS)}`;
  if (draw < 0.6) return `/lists/${random.below(LISTS)}`;
  if (draw < 0.65) return `/teams/${random.below(TEAMS)}`;
  if (draw < 0.7) return `/tagged/${random.below(TAGGED)}`;
  return `/quiet/${random.below(QUIET)}`;
}

export function changedBy(random: Random): string {
  const draw = random.next();
  if (draw < 0.12) return `/joins/${random.below(TEAMS)}`;
  if (draw < 0.24) return `/marks/${random.below(TAGGED)}`;
  return `/items/${random.below(ITEMS)}`;
}

export function askedBy(random: Random, path: string): Asked {
  const draw = random.next();
  const headers = { "accept-language": random.chance(0.5) ? "de" : "en" };
  if (draw < 0.04) return { method: "HEAD", headers };
  if (draw < 0.08) return { method: "GET", headers: { ...headers, range: "bytes=0-9" } };
  // It would make good what is wrong with the quiet ones before anybody else notices.
  if (draw < 0.1 && !path.startsWith("/quiet"))
    return { method: "GET", headers: { ...headers, "cache-control": "no-cache" } };
  return { method: "GET", headers };
}

export function versionsIn(stated: string): Read["versions"] {
  return stated.split(",").map((each) => {
    const [subject = "", version] = each.split("=");
    return [subject, Number(version)] as const;
  });
}

/** A body begins and ends with the versions that its fields state. */
export function isWhole({ statusCode }: Dispatcher.ResponseData, text: string, stated: string): boolean {
  if (stated === "" || versionsIn(stated).some(([, version]) => !(version >= 1))) return false;
  if (text === "") return true;
  if (statusCode === 206) return `${stated};xxxxxxxxxx`.startsWith(text) && text.length === 10;
  return text.startsWith(`${stated};`) && text.endsWith(`x${stated}`);
}
