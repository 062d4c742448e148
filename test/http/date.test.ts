import { describe, expect, it } from "vitest";
import { formatHttpDate, parseHttpDate } from "../../src/http/date.ts";
import fc from "../support/fast-check.ts";

const EXAMPLE = Date.UTC(1994, 10, 6, 8, 49, 37);
const NOW = Date.UTC(2026, 10, 20);

describe("reading a date", () => {
  it("reads the three forms of RFC 9110 §5.6.7 alike", () => {
    expect(parseHttpDate("Sun, 06 Nov 1994 08:49:37 GMT")).toBe(EXAMPLE);
    expect(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT")).toBe(EXAMPLE);
    expect(parseHttpDate("Sun Nov  6 08:49:37 1994")).toBe(EXAMPLE);
    expect(parseHttpDate("Sun Nov 16 08:49:37 1994")).toBe(EXAMPLE + 10 * 86_400_000);
  });

  it.each([
    ["", "nothing"],
    ["0", "the zero of Expires: 0"],
    ["-1", "the other one"],
    ["now", "a word"],
    ["1994-11-06T08:49:37Z", "ISO 8601"],
    ["Sun, 06 Nov 1994 08:49:37", "no zone"],
    ["Sun, 06 Nov 1994 08:49:37 UTC", "another zone"],
    ["Sun, 06 Nov 1994 08:49:37 +0000", "an offset"],
    ["Sun 06 Nov 1994 08:49:37 GMT", "no comma"],
    ["Sun, 6 Nov 1994 08:49:37 GMT", "a day of one digit"],
    ["Sun, 06  Nov  1994 08:49:37 GMT", "two spaces"],
    ["Sun, 06-Nov-1994 08:49:37 GMT", "dashes"],
    ["Sun, 06 Nov 94 08:49:37 GMT", "a year of two digits"],
    ["Sun, 06 Nov 1994 8:49:37 GMT", "an hour of one digit"],
    ["Sun, 06 Nov 1994 08.49.37 GMT", "points in the time"],
    ["Sun, 06 Nov 1994 24:00:00 GMT", "hour 24"],
    ["Sun, 06 Nov 1994 08:60:00 GMT", "minute 60"],
    ["Sun, 06 Nov 1994 08:49:61 GMT", "second 61"],
    ["Sun, 00 Nov 1994 08:49:37 GMT", "day 0"],
    ["Thu, 31 Nov 1994 08:49:37 GMT", "31 November"],
    ["Wed, 29 Feb 2023 08:49:37 GMT", "29 February of a common year"],
    ["Sun Nov 6 08:49:37 1994", "asctime with one space"],
    ["Sun Nov 06 08:49:37 1994 GMT", "asctime with a zone"],
    ["Sun, 06-Nov-94 08:49:37 GMT", "rfc850 with a short weekday"],
    [" Sun, 06 Nov 1994 08:49:37 GMT", "space before"],
    ["Sun, 06 Nov 1994 08:49:37 GMT\n", "a line feed behind"],
    ["Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "two dates"],
    ["Sun, 0\u0666 Nov 1994 08:49:37 GMT", "digits that are not ASCII"],
    ["\u017fun, 06 Nov 1994 08:49:37 GMT", "a letter that is an S in capitals"],
  ])("does not read %j: %s", (value) => {
    expect(parseHttpDate(value)).toBeUndefined();
  });

  it.each([
    ["SUN, 06 Nov 1994 08:49:37 GMT"],
    ["Sun, 06 NOV 1994 08:49:37 GMT"],
    ["Sun, 06 Nov 1994 08:49:37 gMT"],
    ["sunday, 06-nov-94 08:49:37 gmt"],
    ["sUN nOV  6 08:49:37 1994"],
  ])("reads %s: a cache matches case-insensitively (RFC 9111 §4.2)", (value) => {
    expect(parseHttpDate(value, NOW)).toBe(EXAMPLE);
  });

  it("reads a leap second, a leap day, and a weekday that is wrong", () => {
    expect(parseHttpDate("Sat, 31 Dec 2016 23:59:60 GMT")).toBe(Date.UTC(2017, 0, 1));
    expect(parseHttpDate("Thu, 29 Feb 2024 00:00:00 GMT")).toBe(Date.UTC(2024, 1, 29));
    expect(parseHttpDate("Mon, 06 Nov 1994 08:49:37 GMT")).toBe(EXAMPLE);
  });

  it("takes years below 100 of the long forms literally", () => {
    expect(parseHttpDate("Sun, 06 Nov 0094 08:49:37 GMT")).toBeLessThan(Date.UTC(1000, 0));
  });

  it("takes a year of two digits for the latest no more than 50 years ahead", () => {
    const year = (digits: string, now: number) =>
      new Date(parseHttpDate(`Monday, 01-Jan-${digits} 00:00:00 GMT`, now) ?? Number.NaN).getUTCFullYear();
    expect(year("26", NOW)).toBe(2026);
    expect(year("76", NOW)).toBe(2076); // 49 years and some weeks
    expect(year("77", NOW)).toBe(1977);
    expect(year("99", NOW)).toBe(1999);
    expect(year("00", NOW)).toBe(2000);
    expect(year("10", Date.UTC(2096, 5))).toBe(2110);
    expect(year("96", Date.UTC(2096, 5))).toBe(2096);
  });

  it("counts the 50 years to the second", () => {
    expect(parseHttpDate("Friday, 20-Nov-76 00:00:00 GMT", NOW)).toBe(Date.UTC(2076, 10, 20));
    expect(parseHttpDate("Friday, 20-Nov-76 00:00:01 GMT", NOW)).toBe(Date.UTC(1976, 10, 20, 0, 0, 1));
  });

  it("finds a leap day in the century that has it", () => {
    expect(parseHttpDate("Monday, 29-Feb-00 00:00:00 GMT", Date.UTC(2060, 0))).toBe(Date.UTC(2000, 1, 29));
  });

  it("never throws", () => {
    fc.assert(fc.property(fc.string(), (value) => parseHttpDate(value) === undefined));
  });
});

describe("writing a date", () => {
  it("writes IMF-fixdate", () => {
    expect(formatHttpDate(EXAMPLE)).toBe("Sun, 06 Nov 1994 08:49:37 GMT");
    expect(formatHttpDate(EXAMPLE + 999)).toBe("Sun, 06 Nov 1994 08:49:37 GMT");
    expect(formatHttpDate(EXAMPLE + 1000)).toBe("Sun, 06 Nov 1994 08:49:38 GMT");
  });

  it("reads back what it wrote, floored to the second", () => {
    const instant = fc.integer({ min: Date.UTC(-1, 12), max: Date.UTC(9999, 11, 31, 23, 59, 59, 999) });
    fc.assert(
      fc.property(instant, (ms) => {
        expect(parseHttpDate(formatHttpDate(ms))).toBe(Math.floor(ms / 1000) * 1000);
      }),
    );
  });
});
