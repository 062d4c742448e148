// What do ${NAME} and ${NAME:-default} in a value stand for? For what the environment holds, or the default where it
// holds nothing. A value that is one variable and nothing else takes the type its text has in YAML (100 is a number),
// but is never parsed as YAML. $${ stands for a ${ that is meant literally.

import type { Document } from "yaml";

/** process.env, or any such record. */
export type Environment = Readonly<Record<string, string | undefined>>;

interface Expanded {
  readonly value: unknown;
  readonly wrong?: string;
}

const VARIABLE = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(:-[^{}]*)?\})?/g;

/** `tags` are those of the YAML schema that scalars are typed by. `wrong` says what is wrong, and how to write it. */
export function expand(text: string, environment: Environment, tags: Document["schema"]["tags"]): Expanded {
  if (!text.includes("${")) return { value: text };
  let wrong: string | undefined;
  let isWhole = false;
  const value = text.replace(VARIABLE, (whole: string, name: string | undefined, fallback: string | undefined) => {
    if (whole === "$${") return "${";
    isWhole = whole === text;
    const found = name === undefined ? undefined : variableValue(environment[name], fallback?.slice(2));
    if (found === undefined) wrong ??= complaint(name);
    return found ?? "";
  });
  if (wrong !== undefined) return { value: undefined, wrong };
  return { value: isWhole ? typed(value, tags) : value };
}

/** As in a shell, `:-` also stands in for an empty value. */
function variableValue(found: unknown, fallback: string | undefined): string | undefined {
  if (typeof found !== "string") return fallback;
  return found === "" ? (fallback ?? found) : found;
}

function complaint(name: string | undefined): string {
  if (name === undefined)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what one writes
    return "has a ${ that begins no variable; write ${NAME}, ${NAME:-default}, or $${ for ${ itself";
  return `the environment variable ${name} is not set; set it, or write \${${name}:-default}`;
}

function typed(text: string, tags: Document["schema"]["tags"]): unknown {
  if (text === "") return text; // not null: a variable that is set to nothing is an empty text
  const tag = tags.find((tag) => tag.default === true && tag.test?.test(text));
  if (tag === undefined || !("test" in tag)) return text;
  const value = (tag.resolve as (text: string, onError: () => void, options: object) => unknown)(text, () => {}, {});
  // Digits that would be lost (007, or more than a number holds) are text: a password, say.
  if (typeof value === "number" && /^[-+]?\d+$/.test(text) && String(value) !== text) return text;
  return typeof value === "object" && value !== null && "value" in value ? value.value : value;
}
