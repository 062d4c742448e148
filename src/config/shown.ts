// A configuration as it may be shown to whoever may purge: all of it but secrets.

const SECRETS: ReadonlySet<string> = new Set(["adminToken", "password"]);
const HIDDEN = "***";

/** `config` as JSON. Durations are in milliseconds, those of a route's cache in seconds, sizes in bytes. */
export function shownConfig(config: unknown): unknown {
  return JSON.parse(JSON.stringify(config, hidden));
}

function hidden(key: string, value: unknown): unknown {
  if (SECRETS.has(key)) return value === "" ? "" : HIDDEN;
  return typeof value === "string" ? value.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, `$1${HIDDEN}@`) : value;
}
