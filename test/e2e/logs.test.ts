// What the log of a process says of a request: each line that it causes can be found with the request's own.

import { afterEach, expect, test } from "vitest";
import { type Origin, startOrigin } from "../support/origin.ts";
import { type SidecarProcess, startSidecarProcess } from "../support/sidecar.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

let origin: Origin;
let sidecar: SidecarProcess;

afterEach(async () => {
  await sidecar.stop();
  await origin.close();
});

async function start(log: string): Promise<void> {
  origin = await startOrigin((request, response) => {
    if (request.url === "/cut") {
      response.writeHead(200, { "content-length": 100, "cache-control": "max-age=60" });
      response.write("half", () => response.destroy());
    } else response.writeHead(request.url === "/wrong" ? 500 : 200).end("hello");
  });
  sidecar = await startSidecarProcess(`origin: ${origin.url}\nlog: ${log}\nroutes:\n  - path: /*\n    cache: {}\n`);
}

test("a fill that broke off says whose it was", async () => {
  await start("{}");
  const headers = { "x-request-id": "r-7", traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
  await expect(sidecar.fetch("/cut", { headers })).rejects.toThrow();
  const said = { id: "r-7", route: "/*", trace: TRACE };
  const about = ({ msg }: { msg: string }) => msg.startsWith("origin failed in the middle");
  expect(await sidecar.line(about)).toMatchObject({ level: "warn", kind: "reset", method: "GET", ...said });
  expect(await sidecar.line(({ msg }) => msg === "request")).toMatchObject({ ...said, status: 200, complete: false });
});

test("of a sample all sidecars keep the same requests, and what went wrong is always there", async () => {
  await start("{ sample: 50% }");
  const ask = async (target: string, id: string) => sidecar.fetch(target, { headers: { "x-request-id": id } });
  for (let i = 0; i < 40; i++) await ask("/", `id-${i}`);
  for (let i = 0; i < 10; i++) await ask("/wrong", `wrong-${i}`);
  await sidecar.line((line) => line.id === "wrong-9");
  const lines = sidecar.lines.filter(({ msg }) => msg === "request");
  const [kept, wrong] = [lines.filter(({ path }) => path === "/"), lines.filter(({ path }) => path === "/wrong")];
  expect(wrong.map(({ id, sample }) => [id, sample])).toEqual(wrong.map((_, i) => [`wrong-${i}`, undefined]));
  expect(wrong.length).toBe(10);
  expect(kept.map(({ sample }) => sample)).toEqual(kept.map(() => 0.5));
  // These, since ids decide: the same ones in each process and on each runtime.
  expect(kept.map(({ id }) => id)).toEqual(KEPT);
});

const KEPT = [0, 1, 4, 8, 10, 11, 12, 18, 21, 23, 24, 25, 26, 27, 28, 29, 30, 34, 36, 37, 38, 39].map((i) => `id-${i}`);
