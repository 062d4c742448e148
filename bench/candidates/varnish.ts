// Varnish as a candidate: malloc storage, no log reader, its built-in rules apart from one route that passes. It has
// no limiter of its own, so it runs without one.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, start, which } from "../processes.ts";
import { type Candidate, type Skipped, type Stage, untilAnswering } from "./stage.ts";

/** Starts that many independent instances; skipped where varnishd is not installed. */
export async function startVarnish(stage: Stage, instances = 1): Promise<Candidate | Skipped> {
  const program = which("varnishd");
  if (program === undefined) return { name: "varnish", skipped: "not installed" };
  const started = [];
  for (let index = 0; index < instances; index += 1) started.push(await one(stage, program));
  return { name: "varnish", urls: started.map(({ url }) => url), roots: started.map(({ pid }) => pid) };
}

async function one(stage: Stage, program: string): Promise<{ url: string; pid: number }> {
  const port = await freePort();
  const file = join(stage.dir, `varnish-${port}.vcl`);
  await writeFile(file, rules(stage));
  const where = ["-F", "-n", join(stage.dir, `varnish-${port}`), "-a", `127.0.0.1:${port}`, "-f", file];
  const jail = process.getuid?.() === 0 ? ["-j", "none"] : [];
  const args = [...jail, ...where, "-s", "malloc,256m", "-p", "timeout_idle=600"];
  const running = start(program, args, { name: "varnish", core: "proxy" });
  const url = `http://127.0.0.1:${port}`;
  // It compiles its rules with the C compiler first.
  await untilAnswering(running, `${url}/pass/ready`, 30_000);
  return { url, pid: running.pid };
}

function rules(stage: Stage): string {
  return `
vcl 4.1;
backend origin { .host = "127.0.0.1"; .port = "${stage.originPort}"; }
sub vcl_recv { if (req.url ~ "^/pass/") { return (pass); } }
sub vcl_deliver { if (obj.hits > 0) { set resp.http.X-Cache = "HIT"; } else { set resp.http.X-Cache = "MISS"; } }
`;
}
