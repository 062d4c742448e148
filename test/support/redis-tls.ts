// What a Redis, or a sentinel, needs on its command line to speak TLS, with its peers, too, beside its ordinary port.

import type { Authority } from "./certificates.ts";
import { freePort } from "./ports.ts";

export interface TlsPort {
  readonly port: number;
  readonly args: readonly string[];
}

/** A free port of 127.0.0.1 with a certificate of `authority`, which whoever connects must have one of as well. */
export async function tlsPort(authority: Authority): Promise<TlsPort> {
  const port = await freePort();
  const { cert, key } = authority.certify("IP:127.0.0.1");
  const files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", authority.ca];
  return { port, args: ["--tls-port", String(port), ...files, "--tls-replication", "yes"] };
}
