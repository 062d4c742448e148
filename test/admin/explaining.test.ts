import { expect, it } from "vitest";
import { type AskedAbout, answerExplain } from "../../src/admin/explaining.ts";

async function ask(query: string) {
  const asked: AskedAbout[] = [];
  const response = await answerExplain({ target: `/api/explain?${query}` }, async (what) => {
    asked.push(what);
    return what.url === "bad"
      ? { kind: "mistake", text: "the URL is bad" }
      : { kind: "explanation", explanation: { format: 1 } };
  });
  const body = JSON.parse(new TextDecoder().decode(response.content as Uint8Array));
  return { status: response.status, detail: body.detail, body, asked };
}

it("an explanation is asked for by method, URL, headers, address and response", async () => {
  const { status, body, asked } = await ask(
    "method=PUT&url=http%3A%2F%2Fh%2F&header=A:b&header=C:d&from=::1&response=E:f&status=404",
  );
  expect([status, body]).toEqual([200, { format: 1 }]);
  expect(asked).toEqual([
    {
      method: "PUT",
      url: "http://h/",
      headers: ["A:b", "C:d"],
      from: "::1",
      response: { status: 404, headers: ["E:f"] },
    },
  ]);
});

it("an explanation is of a GET from this machine where nothing else is said", async () => {
  const { asked } = await ask("url=http://h/");
  expect(asked).toEqual([{ method: "GET", url: "http://h/", headers: [], from: "127.0.0.1", response: undefined }]);
});

it.each([
  ["", /\?url=/],
  ["url=http://h/&headers=a", /There is \?method=/],
  ["url=http://h/&status=99", /\?status= is from/],
  ["url=bad", /^The URL is bad\.$/],
])("%s is refused", async (query, text) => {
  expect(await ask(query)).toMatchObject({ status: 400, detail: expect.stringMatching(text) });
});
