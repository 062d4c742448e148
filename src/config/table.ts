// What does the README say about configuration? This Markdown table, made from schema.ts: one line for each key, with
// what is written there, the default and the meaning. The keys of a route stand under `routes[]` alone.

import { stringify } from "yaml";
import type * as z from "zod";
import { fileSchema } from "./schema.ts";

interface Row {
  readonly key: string;
  readonly form: string;
  readonly byDefault: string;
  readonly meaning: string;
}

/** What stands around a schema: a default, a transform, "may be left out". */
interface Peeled {
  readonly core: z.core.$ZodType;
  readonly byDefault: unknown;
  readonly isOptional: boolean;
}

/** Markdown, ending with a newline. */
export function configurationTable(): string {
  const rows = keysOf(fileSchema).flatMap(([key, schema]) => rowsOf(key, schema));
  const lines = rows.map(({ key, form, byDefault, meaning }) => `| \`${key}\` | ${form} | ${byDefault} | ${meaning} |`);
  return ["| key | written as | default | meaning |", "|---|---|---|---|", ...lines, ""].join("\n");
}

function rowsOf(key: string, schema: z.core.$ZodType): Row[] {
  const { core, byDefault, isOptional } = peel(schema);
  const row = { key, form: formOf(core), byDefault: defaultText(byDefault, isOptional), meaning: meaningOf(schema) };
  return [row, ...(key === "defaults" ? [] : innerRows(key, core))];
}

function innerRows(key: string, core: z.core.$ZodType): Row[] {
  const { def } = (core as z.core.$ZodTypes)._zod;
  if (def.type === "array") return innerRows(`${key}[]`, def.element);
  if (def.type === "union")
    return def.options.filter(isNotAList(def.options)).flatMap((form) => innerRows(key, peel(form).core));
  return keysOf(core).flatMap(([name, inner]) => rowsOf(`${key}.${name}`, inner));
}

/** A list of what may also be written alone has no rows of its own, nor has a list that is the short form of a mapping. */
function isNotAList(forms: readonly z.core.$ZodType[]): (form: z.core.$ZodType) => boolean {
  const hasMapping = forms.some((form) => typeOf(form) === "object");
  return (form) => {
    const { def } = (peel(form).core as z.core.$ZodTypes)._zod;
    return !(def.type === "array" && (hasMapping || forms.includes(def.element)));
  };
}

function typeOf(schema: z.core.$ZodType): string {
  return (peel(schema).core as z.core.$ZodTypes)._zod.def.type;
}

function keysOf(schema: z.core.$ZodType): [string, z.core.$ZodType][] {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  return def.type === "object" ? Object.entries(def.shape) : [];
}

function peel(schema: z.core.$ZodType): Peeled {
  const { def } = (schema as z.core.$ZodTypes)._zod;
  if (def.type === "optional") return { ...peel(def.innerType), isOptional: true };
  if (def.type === "prefault") return { ...peel(def.innerType), byDefault: def.defaultValue };
  if (def.type === "pipe") return peel(def.in);
  return { core: schema, byDefault: undefined, isOptional: false };
}

function formOf(core: z.core.$ZodType): string {
  const { def } = (core as z.core.$ZodTypes)._zod;
  if (def.type === "union") return [...new Set(def.options.map((form) => formOf(peel(form).core)))].join(", or ");
  if (def.type === "literal") return `\`${def.values.join("`, `")}\``;
  if (def.type === "object") return "mapping";
  if (def.type === "record") return `mapping to ${formOf(peel(def.valueType).core)}`;
  return (core as z.ZodType).meta()?.title?.replace(/^an? /, "") ?? def.type;
}

function defaultText(value: unknown, isOptional: boolean): string {
  if (value === undefined) return isOptional ? "" : "*required*";
  const isEmptyMapping = typeof value === "object" && value !== null && Object.keys(value).length === 0;
  if (isEmptyMapping) return Array.isArray(value) ? "`[]`" : "";
  return `\`${typeof value === "object" ? stringify(value, { collectionStyle: "flow" }).trim() : String(value)}\``;
}

function meaningOf(schema: z.core.$ZodType): string {
  return ((schema as z.ZodType).description ?? "").replaceAll("|", "\\|");
}
