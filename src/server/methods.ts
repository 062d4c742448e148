// Which methods reach a handler? Those that node:http's parser knows, as they are written; a request with any other is
// malformed to it, and CONNECT is refused (server.ts).

import { METHODS } from "node:http";

/** Why a request with this method is refused before any handler sees it; undefined: it is not. */
export function methodRefusal(method: string): string | undefined {
  if (method === "CONNECT") return "this is no proxy for CONNECT, and answers 501";
  if (METHODS.includes(method)) return undefined;
  const meant = METHODS.includes(method.toUpperCase()) ? `; write ${method.toUpperCase()}` : "";
  return `there is no method ${method}, and such a request is answered 400${meant}`;
}
