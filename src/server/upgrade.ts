// Which requests for an upgrade (RFC 9110 §7.8) may become a tunnel. The others are ordinary requests: a server may
// always ignore Upgrade.

interface Message {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly rawHeaders: readonly string[];
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly httpVersionMinor: number;
}

// HTTP itself (RFC 9113 §3.1), and TLS (RFC 2817).
const NEVER_TUNNELLED = /^(?:h2c|http\/.*|tls\/.*)$/;

/** Whether to let go of the connection for another protocol. Only by GET, as WebSocket asks for it: an unsafe request that
 * asks too is a write first of all. Not in HTTP/1.0, and not where content would come first. */
export function isForTunnel(message: Message): boolean {
  const { method, headers, httpVersionMinor } = message;
  if (method !== "GET") return false;
  if (httpVersionMinor === 0 || headers["transfer-encoding"] !== undefined) return false;
  return (headers["content-length"] ?? "0") === "0" && protocolOf(message) !== "";
}

/** The protocols asked for, lower-case, without those that are never tunnelled. */
export function protocolOf(message: Message): string {
  const asked = `${message.headers.upgrade ?? ""}`.toLowerCase().split(",");
  const kept = asked.map((one) => one.trim()).filter((one) => one !== "" && !NEVER_TUNNELLED.test(one));
  return kept.join(", ");
}

/** The head of the request as bytes, without Upgrade. */
export function asOrdinary({ method, url, rawHeaders, httpVersionMinor }: Message): Buffer {
  let head = `${method} ${url} HTTP/1.${httpVersionMinor}\r\n`;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.toLowerCase() !== "upgrade") head += `${name}: ${rawHeaders[i + 1]}\r\n`;
  }
  return Buffer.from(`${head}\r\n`, "latin1");
}
