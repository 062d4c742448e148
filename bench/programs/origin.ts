// The origin behind every proxy: 1 KB per response, cacheable for 5 minutes, and N ms later below /cold/N/. Counts
// the requests it gets and tells the bench when asked.

import { createServer, type ServerResponse } from "node:http";
import { serve, tell } from "./child.ts";

const body = Buffer.alloc(1024, "forebay ");
const fields = { "content-type": "text/plain", "content-length": "1024", "cache-control": "max-age=300" };
let requests = 0;

serve(
  createServer((request, response) => {
    requests += 1;
    const [, delayMs] = /^\/cold\/(\d+)\//.exec(request.url ?? "") ?? [];
    if (delayMs === undefined) answer(response);
    else setTimeout(answer, Number(delayMs), response);
  }),
);

process.on("message", () => tell({ requests }));

function answer(response: ServerResponse): void {
  response.writeHead(200, fields).end(body);
}
