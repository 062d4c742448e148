// GET /api/stats: how much of what there is to tell is asked for. ?without=series,top leaves these out, ?routes=25 tells of
// the busiest routes alone: so that asking each second costs little.

import type { Request, Response } from "../http/message.ts";
import { problem } from "../http/problem.ts";
import { json } from "./json.ts";

export interface AskedStats {
  readonly hasSeries: boolean;
  readonly hasTop: boolean;
  /** At the most so many routes, those with the most requests. */
  readonly maxRoutes: number;
}

const PARTS = ["series", "top"];

export function answerStats({ target }: Pick<Request, "target">, stats: (asked: AskedStats) => unknown): Response {
  const { searchParams } = new URL(target, "http://localhost");
  const unknown = [...searchParams.keys()].find((name) => name !== "without" && name !== "routes");
  if (unknown !== undefined) return problem(400, "There is ?without= and ?routes=.");
  const without = (searchParams.get("without") ?? "").split(",").filter((name) => name !== "");
  if (without.some((name) => !PARTS.includes(name))) return problem(400, "?without= names series, top, or both.");
  const routes = searchParams.get("routes");
  if (routes !== null && !/^\d{1,6}$/.test(routes)) return problem(400, "?routes= is a number.");
  const maxRoutes = routes === null ? Number.POSITIVE_INFINITY : Number(routes);
  return json(200, stats({ hasSeries: !without.includes("series"), hasTop: !without.includes("top"), maxRoutes }));
}
