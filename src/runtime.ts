// The few places where Node and Deno differ. What is not here is alike in both, as far as the tests can tell.

const isDeno = "Deno" in globalThis;

/** node:http's response refuses fields with control characters in them; Deno's writes them out as they are. */
export const refusesUnfitFields = !isDeno;
