// What may a terminal be shown that obeys some of what it is sent? Printable ASCII, the rest escaped as JSON does.

const OTHERS = /[^ -~\n]/g;

/** JSON text that says the same in printable ASCII; the ends of its lines stay. */
export function printable(json: string): string {
  return json.replace(OTHERS, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
