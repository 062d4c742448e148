// When is it, in HTTP (RFC 9110 §5.6.7)? All three forms of HTTP-date are read, in any case as caches should (RFC 9111
// §4.2), and only these: anything else is undefined, and the caller takes its conservative reading. Only IMF-fixdate is
// written.

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const MONTH = `(?:${MONTHS.join("|")})`;
const TIME = "(?:[01]\\d|2[0-3]):[0-5]\\d:(?:[0-5]\\d|60)";
const IMF_FIXDATE = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \\d\\d ${MONTH} \\d{4} ${TIME} GMT$`, "i");
const RFC850_DATE = new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, \\d\\d-${MONTH}-\\d\\d ${TIME} GMT$`, "i");
const ASCTIME_DATE = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} (?:\\d\\d| \\d) ${TIME} \\d{4}$`, "i");

/**
 * Epoch ms of an HTTP-date, undefined where `value` is none (a list of two is none). A weekday that is not the date's is
 * not minded. `now` (epoch ms) matters only to the two-digit years of the rfc850 form.
 */
export function parseHttpDate(value: string, now: number = Date.now()): number | undefined {
  if (IMF_FIXDATE.test(value)) return epochMs(value, IMF_LAYOUT, yearAt(value, 12));
  if (RFC850_DATE.test(value)) return epochMsNear(value.slice(value.indexOf(" ") + 1), now);
  return ASCTIME_DATE.test(value) ? epochMs(value, ASCTIME_LAYOUT, yearAt(value, 20)) : undefined;
}

let formattedSecond = Number.NaN;
let formatted = "";

/** The IMF-fixdate of an epoch ms, which must lie in the years 0 to 9999; parts of a second are dropped. */
export function formatHttpDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== formattedSecond) {
    formatted = new Date(second * 1000).toUTCString();
    formattedSecond = second;
  }
  return formatted;
}

/** Where the parts of a date begin. */
interface Layout {
  readonly day: number;
  readonly month: number;
  readonly time: number;
}

const IMF_LAYOUT: Layout = { day: 5, month: 8, time: 17 };
const ASCTIME_LAYOUT: Layout = { day: 8, month: 4, time: 11 };
/** Without the weekday, whose length varies. */
const RFC850_LAYOUT: Layout = { day: 0, month: 3, time: 10 };

/** In the latest year of the two digits that puts the date no more than 50 years ahead. */
function epochMsNear(value: string, now: number): number | undefined {
  const horizon = new Date(now);
  horizon.setUTCFullYear(horizon.getUTCFullYear() + 50);
  const year = Math.floor(horizon.getUTCFullYear() / 100) * 100 + twoDigitsAt(value, 7);
  const ms = epochMs(value, RFC850_LAYOUT, year);
  return ms !== undefined && ms <= horizon.getTime() ? ms : epochMs(value, RFC850_LAYOUT, year - 100);
}

/** undefined: there is no such day. A leap second is read as the second after it. */
function epochMs(value: string, layout: Layout, year: number): number | undefined {
  const day = twoDigitsAt(value, layout.day);
  const month = MONTHS.indexOf(value.slice(layout.month, layout.month + 3).toLowerCase());
  // Date.UTC takes years below 100 for 19xx; the calendar repeats itself every 400 years.
  const midnight = Date.UTC(year + 400, month, day);
  if (day === 0 || midnight >= Date.UTC(year + 400, month + 1, 1)) return undefined;
  const hours = twoDigitsAt(value, layout.time);
  const minutes = hours * 60 + twoDigitsAt(value, layout.time + 3);
  return midnight - MS_IN_400_YEARS + (minutes * 60 + twoDigitsAt(value, layout.time + 6)) * 1000;
}

const MS_IN_400_YEARS = 146_097 * 86_400_000;

function yearAt(value: string, at: number): number {
  return twoDigitsAt(value, at) * 100 + twoDigitsAt(value, at + 2);
}

/** Also for a space and a digit. The low four bits of an ASCII digit are its value, those of a space are 0. */
function twoDigitsAt(value: string, at: number): number {
  return (value.charCodeAt(at) & 15) * 10 + (value.charCodeAt(at + 1) & 15);
}
