// Where a Redis, or one that knows of it, is found: host and port, and the same as text.

export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Of host:port. */
export function placeOf(text: string): Place {
  const at = text.lastIndexOf(":");
  return { host: text.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(text.slice(at + 1)) };
}

export function placeText({ host, port }: Place): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
