// Where does Forebay answer otherwise than the suite wants, on purpose? A test belongs here only with a clause and a reason
// that the authors of that clause would accept. The run fails on a required test that fails and is not here, and on
// an entry whose test passes everywhere.

export interface Deviation {
  /** Ids of the suite. */
  readonly tests: readonly string[];
  readonly clause: string;
  /** One or two sentences, without a dot at the end. */
  readonly reason: string;
}

export const deviations: readonly Deviation[] = [
  {
    tests: [
      "age-parse-nonnumeric",
      "age-parse-negative",
      "age-parse-float",
      "age-parse-prefix-twoline",
      "age-parse-dup-0",
      "age-parse-dup-0-twoline",
      "age-parse-dup-old",
      "age-parse-parameter",
      "age-parse-numeric-parameter",
    ],
    clause: "RFC 9111 §5.1",
    reason:
      "The first member of a list counts and an invalid Age should be ignored, so these responses are fresh. The tests are older than that sentence; those of the suite's newer versions want what it says",
  },
  {
    tests: [
      "stale-close-must-revalidate",
      "stale-close-proxy-revalidate",
      "stale-close-no-cache",
      "stale-close-s-maxage=2",
    ],
    clause: "RFC 9111 §4.2.4",
    reason:
      "They wait for a cache that serves stale responses without being told to, when the origin hangs up; Forebay does so only where stale-if-error or the route says it may. What they forbid, it never does",
  },
  {
    tests: ["headers-store-Transfer-Encoding"],
    clause: "RFC 9112 §7.4, RFC 9110 §15.6.3",
    reason:
      "The suite's server sends a transfer coding that nobody offered to accept and nobody can decode. Such a message is refused with 502, so nothing of it is stored either",
  },
  {
    tests: ["304-etag-update-response-ETag"],
    clause: "RFC 9111 §4.3.4",
    reason:
      "A 304 whose strong ETag is that of no stored response must not update any. Forebay asks again without a condition; the suite counts the second request as a mistake of its own",
  },
  {
    tests: ["headers-store-Set-Cookie", "304-etag-update-response-Set-Cookie", "other-set-cookie"],
    clause: "RFC 9111 §3, §7.3",
    reason:
      "Storing is a permission. A response with Set-Cookie is not stored, since its reuse would give one client's session to the next",
  },
  {
    tests: [
      "surrogate-max-age",
      "surrogate-max-age-max",
      "surrogate-max-age-max-plus",
      "surrogate-max-age-me-target",
      "surrogate-max-age-other-target",
      "surrogate-max-age-extension",
      "surrogate-max-age-case-insensitive",
      "surrogate-max-age-age",
      "surrogate-max-age-expires",
      "surrogate-max-age-cc-max-age-invalid-expires",
      "surrogate-max-age-0",
      "surrogate-max-age-0-expires",
      "surrogate-max-age-short-cc-max-age",
      "surrogate-max-age-long-cc-max-age",
      "surrogate-no-store-cc-fresh",
      "surrogate-fresh-cc-nostore",
    ],
    clause: "RFC 9213 §1",
    reason:
      "Surrogate-Control is a W3C note of 2001 that never became HTTP; it is left to the origin's own CDN. Its successor, CDN-Cache-Control, is understood",
  },
  {
    tests: [
      "invalidate-POST-failed",
      "invalidate-PUT-failed",
      "invalidate-DELETE-failed",
      "invalidate-M-SEARCH-failed",
    ],
    clause: "RFC 9111 §4.4",
    reason:
      "It obliges to invalidate after a response that is no error, and allows more. After a 500 nobody knows whether the write was done, and no answer may be older than a write",
  },
  {
    tests: [
      "partial-store-partial-reuse-partial",
      "partial-store-partial-reuse-partial-byterange",
      "partial-store-partial-reuse-partial-absent",
      "partial-store-partial-reuse-partial-suffix",
    ],
    clause: "RFC 9111 §3.3, RFC 9110 §14.4",
    reason:
      "The suite's 206 states six bytes in Content-Range and carries five. Which bytes these are cannot be known, so no part is served from them",
  },
  {
    tests: ["partial-store-partial-complete"],
    clause: "RFC 9111 §3.4",
    reason:
      "Parts may be combined only where they share a strong validator, and the suite's 206 has none: what was asked for in addition could not be used",
  },
  {
    tests: ["conditional-lm-fresh-no-lm"],
    clause: "RFC 9111 §4.3.2, RFC 9110 §13.1.3",
    reason:
      "Without Last-Modified, Date should be used in its place. It is 3000 seconds later than the suite's If-Modified-Since, so 200 is the right answer and 304 would be wrong",
  },
  {
    tests: ["vary-normalise-lang-select"],
    clause: "RFC 9111 §4.1",
    reason:
      'What was fetched for "en, de" must not answer "fr;q=0.5, de" without validation: no normalisation makes the two the same, and which language the origin would choose is for the origin to say',
  },
  {
    tests: ["vary-normalise-space"],
    clause: "RFC 9111 §4.1",
    reason: "Only a field whose definition says that it is a list may be normalised as one; of Foo nobody knows it",
  },
  {
    tests: ["vary-normalise-lang-order"],
    clause: "RFC 9111 §4.1, RFC 9110 §12.5.4",
    reason:
      'Languages of equal weight have an order for many origins, as the RFC itself notes: who asks for "en, de" must not get what was chosen for "de, en"',
  },
  {
    tests: ["method-POST"],
    clause: "RFC 9110 §9.3.3, RFC 9111 §4.4",
    reason:
      "Reusing the response to a POST is a permission. The same POST invalidates the URI, and no response whose making began before a write ended is used after it",
  },
];
