// How is a stored response written as bytes for a store? version (1) · crc32 of all that follows (4) · length of the
// head (4) · head, JSON in UTF-8, a list in a fixed order · body as it is. Anything else reads as nothing stored.
// UTF-8 JSON keeps every string, so field values with bytes beyond ASCII come back byte for byte.

import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";
import type { Codec, Stored } from "../store/store.ts";
import { labelOf } from "./siblings.ts";
import type { StoredResponse } from "./stored-response.ts";

export const responseCodec: Codec<StoredResponse> = {
  encode(stored) {
    const { body } = stored.value;
    const head = Buffer.from(JSON.stringify(toHead(stored)));
    const bytes = Buffer.allocUnsafe(HEAD_AT + head.byteLength + body.byteLength);
    bytes[0] = VERSION;
    bytes.writeUInt32BE(head.byteLength, LENGTH_AT);
    bytes.set(head, HEAD_AT);
    bytes.set(body, HEAD_AT + head.byteLength);
    bytes.writeUInt32BE(crc32(bytes.subarray(LENGTH_AT)), CRC_AT);
    return bytes;
  },

  decode(bytes) {
    if (bytes.byteLength < HEAD_AT || bytes[0] !== VERSION) return undefined;
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (crc32(view.subarray(LENGTH_AT)) !== view.readUInt32BE(CRC_AT)) return undefined;
    const bodyAt = HEAD_AT + view.readUInt32BE(LENGTH_AT);
    if (bodyAt > view.byteLength) return undefined;
    try {
      const head: unknown = JSON.parse(view.toString("utf8", HEAD_AT, bodyAt));
      return isHead(head) ? fromHead(head, bytes.subarray(bodyAt)) : undefined;
    } catch {
      return undefined;
    }
  },

  size({ value, tags }) {
    return (
      OBJECTS_BYTES +
      value.body.byteLength +
      textBytes(value.fields) +
      textBytes(tags) +
      textBytes(value.names) +
      textBytes(value.ownTags)
    );
  },

  label: labelOf,
};

/** Raised with every change of layout or meaning. */
const VERSION = 4;
const CRC_AT = 1;
const LENGTH_AT = 5;
const HEAD_AT = 9;

/** What the objects around the texts take, about. */
const OBJECTS_BYTES = 512;
/** What each text takes beside its characters, about. */
const TEXT_BYTES = 24;

type Head = [
  numbers: number[],
  flags: boolean[],
  fields: readonly string[],
  names: readonly string[],
  tags: readonly string[],
  ownTags: readonly string[],
  texts: (string | null)[],
  bodyLength: number,
];

const NUMBERS = 10;
const FLAGS = 2;
const TEXTS = 4;

function toHead({ value, stamp, tags, freshUntil, keepUntil, by }: Stored<StoredResponse>): Head {
  return [
    [
      stamp,
      freshUntil,
      keepUntil,
      value.status,
      value.requestTime,
      value.responseTime,
      value.initialAge,
      value.lifetime,
      value.staleWhileRevalidate,
      value.staleIfError,
    ],
    [value.alwaysValidate, value.mustRevalidate],
    value.fields,
    value.names,
    tags,
    value.ownTags,
    [value.etag ?? null, value.lastModified ?? null, value.targeted ?? null, by ?? null],
    value.body.byteLength,
  ];
}

function fromHead(head: Head, body: Uint8Array): Stored<StoredResponse> | undefined {
  const [numbers, flags, fields, names, tags, ownTags, texts, bodyLength] = head;
  if (bodyLength !== body.byteLength) return undefined;
  const [stamp, freshUntil, keepUntil, status, requestTime, responseTime, initialAge, lifetime, swr, sie] =
    numbers as unknown as Ten;
  const value: StoredResponse = {
    status,
    fields,
    body,
    requestTime,
    responseTime,
    initialAge,
    lifetime,
    staleWhileRevalidate: swr,
    staleIfError: sie,
    alwaysValidate: flags[0] === true,
    mustRevalidate: flags[1] === true,
    etag: texts[0] ?? undefined,
    lastModified: texts[1] ?? undefined,
    targeted: texts[2] ?? undefined,
    ownTags,
    names,
  };
  return { value, stamp, tags, freshUntil, keepUntil, by: texts[3] ?? undefined };
}

/** As isHead has seen. */
type Ten = [number, number, number, number, number, number, number, number, number, number];

function isHead(head: unknown): head is Head {
  if (!Array.isArray(head) || head.length !== 8) return false;
  const [numbers, flags, fields, names, tags, ownTags, texts, bodyLength] = head;
  return (
    isListOf(numbers, Number.isFinite, NUMBERS) &&
    isListOf(flags, (each) => typeof each === "boolean", FLAGS) &&
    isListOf(fields, isText) &&
    fields.length % 2 === 0 &&
    isListOf(names, isText) &&
    isListOf(tags, isText) &&
    isListOf(ownTags, isText) &&
    isListOf(texts, (each) => each === null || isText(each), TEXTS) &&
    Number.isSafeInteger(bodyLength)
  );
}

function isListOf(list: unknown, is: (each: unknown) => boolean, length?: number): list is unknown[] {
  return Array.isArray(list) && list.every(is) && (length === undefined || list.length === length);
}

function isText(each: unknown): boolean {
  return typeof each === "string";
}

function textBytes(texts: readonly string[]): number {
  let bytes = 0;
  for (const text of texts) bytes += text.length + TEXT_BYTES;
  return bytes;
}
