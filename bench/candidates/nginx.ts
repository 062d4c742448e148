// nginx as a candidate: proxy_cache, limit_req and kept upstream connections, one worker, no access log, tuned as its
// documentation advises for small cached files.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort, start, which } from "../processes.ts";
import { type Candidate, type Skipped, type Stage, untilAnswering } from "./stage.ts";

/** Starts that many independent instances; skipped where nginx is not installed. */
export async function startNginx(stage: Stage, instances = 1): Promise<Candidate | Skipped> {
  const program = which("nginx");
  if (program === undefined) return { name: "nginx", skipped: "not installed" };
  const started = [];
  for (let index = 0; index < instances; index += 1) started.push(await one(stage, program));
  return { name: "nginx", urls: started.map(({ url }) => url), roots: started.map(({ pid }) => pid) };
}

async function one(stage: Stage, program: string): Promise<{ url: string; pid: number }> {
  const port = await freePort();
  const dir = join(stage.dir, `nginx-${port}`);
  await mkdir(dir);
  await writeFile(join(dir, "nginx.conf"), configuration(stage, port, dir));
  const args = ["-p", dir, "-c", join(dir, "nginx.conf"), "-e", join(dir, "error.log")];
  const running = start(program, args, { name: "nginx", core: "proxy" });
  const url = `http://127.0.0.1:${port}`;
  await untilAnswering(running, `${url}/pass/ready`);
  return { url, pid: running.pid };
}

function configuration(stage: Stage, port: number, dir: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${dir}/nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  open_file_cache max=10000;
  ${temporary.map((name) => `${name}_temp_path ${dir}/${name};`).join(" ")}
  proxy_cache_path ${dir}/cache levels=1:2 keys_zone=cache:32m max_size=512m use_temp_path=off;
  limit_req_zone $binary_remote_addr zone=high:1m rate=1000000r/s;
  limit_req_zone $binary_remote_addr zone=low:1m rate=1r/m;
  limit_req_status 429;
  upstream origin { server 127.0.0.1:${stage.originPort}; keepalive 128; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    location /hit/ { limit_req zone=high burst=1000000 nodelay; ${cached} }
    location /miss/ { ${cached} }
    location /cold/ { ${cached} }
    location /pass/ { proxy_pass http://origin; }
    location /pass-limited/ { limit_req zone=high burst=1000000 nodelay; proxy_pass http://origin; }
    location /over/ { limit_req zone=low; proxy_pass http://origin; }
  }
}
`;
}

const cached =
  "proxy_cache cache; proxy_cache_lock on; add_header X-Cache $upstream_cache_status; proxy_pass http://origin;";
