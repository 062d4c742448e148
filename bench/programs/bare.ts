// The yardstick: node:http and nothing else, the same 1 KB from memory for every request.

import { createServer } from "node:http";
import { serve } from "./child.ts";

const body = Buffer.alloc(1024, "forebay ");
const fields = { "content-type": "text/plain", "content-length": "1024", "cache-control": "max-age=300" };

serve(createServer((_request, response) => void response.writeHead(200, fields).end(body)));
