// The peer fast-proxy on a bare node:http server, as its own README sets it up; with `undici` its second way upstream.

import { createServer } from "node:http";
import fastProxy from "fast-proxy";
import { options, serve } from "./child.ts";

const { origin, undici } = options<{ origin: string; undici: boolean }>();
const { proxy } = fastProxy(undici ? { base: origin, undici: { connections: 128 } } : { base: origin });

serve(createServer((request, response) => proxy(request, response, request.url ?? "/", {})));
