// What does an editor know about proxy.config.yaml? JSON Schema (draft 7, which editors read best), made from schema.ts:
// keys, meanings, defaults and how each kind of value is written. It describes the file before ${NAME} is replaced. It
// never finds fault with a file that `forebay check` takes and that names its origin; the reverse it does not promise,
// since ranges of durations and what does not go together are told by `check` alone.

import * as z from "zod";
import { fileSchema } from "./schema.ts";

type Schema = z.core.JSONSchema.JSONSchema;

/** A plain object, to be written as JSON. */
export function jsonSchema(): Schema {
  const { $schema, ...whole } = z.toJSONSchema(fileSchema, { io: "input", target: "draft-7" }) as Schema;
  withoutDemandsOnRoutes(whole);
  return {
    ...($schema === undefined ? {} : { $schema }),
    title: "proxy.config.yaml of Forebay",
    ...withVariables(whole),
    definitions: { variable: VARIABLE },
  };
}

/** What the package carries as proxy.config.schema.json. */
export function jsonSchemaText(): string {
  return `${JSON.stringify(jsonSchema(), null, 2)}\n`;
}

const VARIABLE: Schema = {
  title: "a variable of the environment",
  type: "string",
  pattern: "\\$\\{",
  // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what one writes
  examples: ["${NAME:-default}"],
};

/** What a route lacks may stand in `defaults`: a key of its own needs to be complete only together with that. */
function withoutDemandsOnRoutes({ properties = {} }: Schema): void {
  const routes = formsOf(properties.routes).flatMap(({ items }) => formsOf(items as Schema | undefined));
  for (const { properties: keys = {} } of routes) {
    for (const name of Object.keys((properties.defaults as Schema | undefined)?.properties ?? {})) {
      for (const form of formsOf(keys[name])) delete form.required;
    }
  }
}

function formsOf(schema: z.core.JSONSchema._JSONSchema | undefined): Schema[] {
  if (typeof schema !== "object") return [];
  return [schema, ...(schema.anyOf ?? []).flatMap(formsOf)];
}

/** The same, with a variable allowed wherever one value stands: text, a number, a flag or a word of several. */
function withVariables(schema: Schema): Schema {
  const { title, description, default: byDefault, examples, ...rest } = schema;
  if (rest.pattern !== undefined) return { ...schema, pattern: `${rest.pattern}|\\$\\{` };
  if (rest.enum === undefined && rest.const === undefined && !isScalar(rest.type)) return inside(schema);
  const around = { title, description, default: byDefault, examples };
  return { ...withoutUndefined(around), anyOf: [rest, { $ref: "#/definitions/variable" }] };
}

function isScalar(type: unknown): boolean {
  return type === "integer" || type === "number" || type === "boolean";
}

function inside(schema: Schema): Schema {
  const deeper = (inner: z.core.JSONSchema._JSONSchema) => (typeof inner === "object" ? withVariables(inner) : inner);
  const { properties, additionalProperties, items, anyOf } = schema;
  return {
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([key, inner]) => [key, deeper(inner)])),
    }),
    ...(additionalProperties !== undefined && { additionalProperties: deeper(additionalProperties) }),
    ...(items !== undefined && !Array.isArray(items) && { items: deeper(items as z.core.JSONSchema._JSONSchema) }),
    ...(anyOf && { anyOf: anyOf.map((form) => deeper(form) as Schema) }),
  };
}

function withoutUndefined(schema: Readonly<Record<string, unknown>>): Schema {
  return Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined)) as Schema;
}
