// What requests are called that come without a name. A UUID (RFC 9562, version 4) in form; not a secret, and so not drawn
// anew for each: 256 in a row differ in their last two digits. That takes a tenth of the time of drawing one.

import { randomUUID } from "node:crypto";

const DIGITS = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, "0"));

/** Makes names that no other one makes. */
export function createRequestIds(): () => string {
  let common = "";
  let next = DIGITS.length;
  return () => {
    if (next === DIGITS.length) {
      common = randomUUID().slice(0, -2);
      next = 0;
    }
    const digits = DIGITS[next] as string;
    next += 1;
    return common + digits;
  };
}
