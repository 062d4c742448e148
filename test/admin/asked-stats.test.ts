import { afterEach, expect, it } from "vitest";
import { startPanel } from "../dashboard/panel.ts";

let close: () => unknown = () => {};

afterEach(() => close());

async function panel() {
  const started = await startPanel();
  close = started.close;
  for (const [route, times] of Object.entries({ "/few": 1, "/most": 3, "/some": 2 })) {
    const finished = { route, outcome: 0, status: 1, bytes: 1, ms: 1, msStore: 0 };
    for (let i = 0; i < times; i++) started.traffic.finished(finished);
  }
  return async (query: string) => {
    const answer = await fetch(`${started.url}/api/stats${query}`);
    // biome-ignore lint/suspicious/noExplicitAny: JSON as it comes
    return { status: answer.status, told: (await answer.json()) as any };
  };
}

it("tells everything where nothing is left out", async () => {
  const { told } = await (await panel())("");
  expect(told).toMatchObject({ routesInAll: 3, series: { stepMs: 10_000 }, top: [] });
  expect(told.routes).toHaveLength(3);
});

it("tells of the busiest routes alone, of how many, and without what is not wanted", async () => {
  const { told } = await (await panel())("?routes=2&without=series,top");
  expect(told.routes.map(({ route }: { route: string }) => route)).toEqual(["/most", "/some"]);
  expect(told).toMatchObject({ routesInAll: 3, totals: { requests: 6 } });
  expect(Object.keys(told)).not.toContain("series");
  expect(Object.keys(told)).not.toContain("top");
});

it.each(["?routes=all", "?routes=-1", "?without=routes", "?with=series"])("refuses %s", async (query) => {
  expect((await (await panel())(query)).status).toBe(400);
});
