import { describe, expect, it } from "vitest";
import { answerPurge, type Purged, withPurgeMethod } from "../../src/admin/purging.ts";
import type { Fields, Request, Response } from "../../src/http/message.ts";
import { aRequest } from "../cache/example.ts";

const JSON_TYPE = ["Content-Type", "application/json"];
const RECEIPT: Purged = { kind: "receipt", receipt: { clock: 7 } };

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

function textOf({ content }: Response): string {
  return new TextDecoder().decode(content as Uint8Array);
}

describe("POST /api/purge", () => {
  const asked: [unknown, boolean][] = [];
  async function post(
    texts: readonly string[],
    {
      target = "/api/purge",
      fields = JSON_TYPE,
      purged = RECEIPT,
    }: { target?: string; fields?: Fields; purged?: Purged } = {},
  ): Promise<Response> {
    asked.length = 0;
    const request = aRequest(target, fields, { method: "POST", content: pieces(...texts) });
    return answerPurge(request, async (what, isForAll) => {
      asked.push([what, isForAll]);
      return purged;
    });
  }

  it("answers with the receipt", async () => {
    const response = await post(['{"tag":', '"a"}']);
    expect([response.status, JSON.parse(textOf(response))]).toEqual([200, { clock: 7 }]);
    expect(asked).toEqual([[{ tag: "a" }, false]]);
  });

  it("waits for all where asked to", async () => {
    await post(['{"all":true}'], { target: "/api/purge?wait=all" });
    expect(asked).toEqual([[{ all: true }, true]]);
    expect((await post(["{}"], { target: "/api/purge?wait=some" })).status).toBe(400);
  });

  it("is 202 where the store has not taken it yet, and 400 where it names nothing", async () => {
    expect((await post(["{}"], { purged: { kind: "receipt", receipt: { clock: null } } })).status).toBe(202);
    const refused = await post(["{}"], { purged: { kind: "mistake", text: "Name one." } });
    expect([refused.status, JSON.parse(textOf(refused)).detail]).toEqual([400, "Name one."]);
  });

  it("takes nothing that a form of another site could send, nothing endless, and no garbage", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"]) {
      expect((await post(["{}"], { fields: ["Content-Type", type] })).status).toBe(415);
    }
    expect((await post(["{}"], { fields: [] })).status).toBe(415);
    expect((await post(['"', "x".repeat(40_000), "x".repeat(40_000), '"'])).status).toBe(413);
    for (const text of ["", "{", "\ufffd{}", "{}{}"]) expect((await post([text])).status).toBe(400);
    expect(asked).toEqual([]);
  });
});

describe("PURGE on the public listener", () => {
  const purges: string[] = [];
  const handler = withPurgeMethod((): Response => ({ status: 204, fields: [], content: undefined }), {
    allows: (peer) => peer === "192.0.2.1",
    async purge(authority, target) {
      purges.push(authority + target);
      return RECEIPT;
    },
  });
  const send = async (more: Partial<Request>, fields: Fields = []) =>
    (await handler(aRequest("/a?b", fields, { method: "PURGE", ...more }))).status;

  it("purges for those who may, and is a request like any other for nobody", async () => {
    expect(await send({})).toBe(200);
    expect(purges).toEqual(["example.com/a?b"]);
    expect(await send({ peer: "192.0.2.2" })).toBe(403);
    expect(purges).toHaveLength(1);
  });

  it("is refused where a neighbour passes it on for somebody", async () => {
    for (const name of ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"]) {
      expect(await send({}, [name, "192.0.2.1"])).toBe(403);
    }
    expect(purges).toHaveLength(1);
  });

  it("is refused to a page of another site in a browser that may purge", async () => {
    expect(await send({}, ["Origin", "http://evil.test"])).toBe(403);
    expect(await send({}, ["Sec-Fetch-Site", "cross-site"])).toBe(403);
    expect(purges).toHaveLength(1);
  });

  it("leaves other methods alone, PURGE in other letters among them", async () => {
    for (const method of ["GET", "purge", "DELETE"]) expect(await send({ method })).toBe(204);
    expect(purges).toHaveLength(1);
  });
});
