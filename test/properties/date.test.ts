// HTTP-date (RFC 9110 §5.6.7), against an oracle that takes a text for a date if writing that date gives the text again.

import { describe, expect, it } from "vitest";
import { formatHttpDate, parseHttpDate } from "../../src/http/date.ts";
import fc from "../support/fast-check.ts";

/** What a field value may consist of, and more. */
const octets = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)) });

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
/** asctime writes a day below ten with a space or, as the grammar lets it, with a zero. */
const FORMS = ["imf", "rfc850", "asctime", "asctime-zero"] as const;
type Form = (typeof FORMS)[number];

interface Parts {
  readonly weekday: number;
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** hh:mm:ss */
  readonly time: string;
}

const digits = (n: number, width: number, fill = "0") => String(n).padStart(width, fill);

function written(form: Form, { weekday, year, month, day, time }: Parts): string {
  const long = DAYS[weekday] as string;
  const name = MONTHS[month] as string;
  if (form === "imf") return `${long.slice(0, 3)}, ${digits(day, 2)} ${name} ${digits(year, 4)} ${time} GMT`;
  if (form === "rfc850") return `${long}, ${digits(day, 2)}-${name}-${digits(year % 100, 2)} ${time} GMT`;
  return `${long.slice(0, 3)} ${name} ${digits(day, 2, form === "asctime" ? " " : "0")} ${time} ${digits(year, 4)}`;
}

/** Epoch ms; NaN where there is no such day or time. */
function epoch({ year, month, day, time }: Parts): number {
  const [hours = 99, minutes = 99, second = 99] = time.split(":").map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month, day);
  if (year > 9999 || date.getUTCMonth() !== month || date.getUTCDate() !== day) return Number.NaN;
  if (hours > 23 || minutes > 59 || second > 60) return Number.NaN;
  return date.getTime() + ((hours * 60 + minutes) * 60 + second) * 1000;
}

/** A two-digit year is the latest that puts the date no more than 50 years ahead. */
function inCentury(parts: Parts, now: number): number {
  const horizon = new Date(now);
  horizon.setUTCFullYear(horizon.getUTCFullYear() + 50);
  const century = Math.floor(horizon.getUTCFullYear() / 100) * 100;
  const candidates = [century, century - 100].map((from) => epoch({ ...parts, year: from + (parts.year % 100) }));
  return candidates.find((each) => each <= horizon.getTime()) ?? Number.NaN;
}

/** What `text` means: undefined unless it is how one of the forms writes some date, in whatever case (RFC 9111 §4.2). */
function oracle(text: string, now: number): number | undefined {
  const words = text.toLowerCase().split(/[ ,:-]+/);
  const month = MONTHS.findIndex((each) => words.includes(each.toLowerCase()));
  const numbers = words.filter((word) => /^[0-9]+$/.test(word)).map(Number);
  const time = /[0-9]{2}:[0-9]{2}:[0-9]{2}/.exec(text)?.[0];
  if (month < 0 || time === undefined || numbers.length !== 5) return undefined;
  const [day = 0, year = 0] = [numbers[0], words[0]?.length === 3 && text[3] === " " ? numbers[4] : numbers[1]];
  for (const form of FORMS) {
    for (let weekday = 0; weekday < 7; weekday++) {
      const parts = { weekday, year, month, day, time };
      if (written(form, parts).toLowerCase() !== text.toLowerCase()) continue;
      const found = form === "rfc850" ? inCentury(parts, now) : epoch(parts);
      return Number.isNaN(found) ? undefined : found;
    }
  }
  return undefined;
}

const clock = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2089, 11, 31) });
const parts: fc.Arbitrary<Parts> = fc.record({
  weekday: fc.nat(6),
  year: fc.oneof(fc.integer({ min: 1970, max: 2130 }), fc.nat(9999)),
  month: fc.nat(11),
  day: fc.oneof(fc.integer({ min: 1, max: 28 }), fc.nat(33)),
  time: fc
    .tuple(fc.nat(24), fc.nat(60), fc.oneof(fc.nat(61), fc.constant(0)))
    .map((all) => all.map((n) => digits(n, 2)).join(":")),
});
const form = fc.constantFrom(...FORMS);
const anyCase = fc.constantFrom(
  (text: string) => text,
  (text: string) => text,
  (text: string) => text.toLowerCase(),
  (text: string) => text.toUpperCase(),
);
const date = fc.tuple(form, parts, anyCase).map(([as, of, inCase]) => inCase(written(as, of)));
const spoilt = fc
  .tuple(date, fc.nat(), fc.constantFrom(" ", ",", "-", "0", "9", "\u0661", "G", "", "\t", "\n", ":", "SUN"), fc.nat(2))
  .map(([text, at, put, cut]) => {
    const i = at % (text.length + 1);
    return text.slice(0, i) + put + text.slice(i + cut);
  });

describe("HTTP-date", () => {
  it("is read as the grammar reads it, in all three forms", () => {
    fc.assert(
      fc.property(date, clock, (text, now) => {
        expect(parseHttpDate(text, now)).toBe(oracle(text, now));
      }),
      { numRuns: 3000 },
    );
  });

  it("is nothing unless it is one of them", () => {
    fc.assert(
      fc.property(fc.oneof(spoilt, octets), clock, (text, now) => {
        expect(parseHttpDate(text, now)).toBe(oracle(text, now));
      }),
      { numRuns: 2000 },
    );
  });

  it("never lies more than 50 years ahead where the year has two digits", () => {
    fc.assert(
      fc.property(parts, clock, (of, now) => {
        const found = parseHttpDate(written("rfc850", of), now);
        if (found === undefined) return;
        expect(found - now).toBeLessThanOrEqual(50 * 366 * 86_400_000);
        expect(new Date(found - 1000).getUTCFullYear() % 100).toBeOneOf([of.year % 100, (of.year + 99) % 100]);
      }),
    );
  });

  it("comes back from each form as the second it was written from", () => {
    const second = fc.integer({ min: Date.UTC(2000, 0) / 1000, max: Date.UTC(2059, 11, 31) / 1000 });
    fc.assert(
      fc.property(second, form, (at, as) => {
        const day = new Date(at * 1000);
        const text = written(as, {
          weekday: day.getUTCDay(),
          year: day.getUTCFullYear(),
          month: day.getUTCMonth(),
          day: day.getUTCDate(),
          time: day.toISOString().slice(11, 19),
        });
        expect(parseHttpDate(text, Date.UTC(2026, 0))).toBe(at * 1000);
        if (as === "imf") expect(formatHttpDate(at * 1000)).toBe(text);
      }),
    );
  });
});
