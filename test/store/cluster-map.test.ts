// Which node serves what, as several nodes tell it: whom to ask, how often to connect, and how nodes are named.

import { expect, test } from "vitest";
import { type ClusterMap, createClusterMap, type Node, redirectionIn } from "../../src/store/cluster-map.ts";
import { hashSlot } from "../../src/store/hash-slot.ts";
import { placeText } from "../../src/store/place.ts";

const FENCE = hashSlot("{fence}");
const LAST = 16_383;
const soon = () => AbortSignal.timeout(5000);

type Master = readonly unknown[];

/** A map over nodes that say what `slots` gives, which were connected to, and which still are. */
function mapOver(
  seeds: readonly Node[],
  slots: (node: Node) => readonly (readonly [number, number, Master])[],
  stateOf: (node: Node) => "ok" | "fail" | "gone" = () => "ok",
) {
  const connected: Node[] = [];
  const open = new Set<Node>();
  const map: ClusterMap = createClusterMap(seeds, {
    patienceMs: 1000,
    async connect(place) {
      if (stateOf(placeText(place)) === "gone") throw new Error("ECONNREFUSED");
      connected.push(placeText(place));
      open.add(placeText(place));
      return {
        async sendCommand(words) {
          const state = stateOf(placeText(place));
          if (state === "gone") throw new Error("Socket closed");
          return words[1] === "INFO"
            ? `cluster_state:${state}\r\ncluster_current_epoch:7\r\n`
            : slots(placeText(place));
        },
        destroy() {
          open.delete(placeText(place));
        },
      };
    },
  });
  return { map, connected, open };
}

const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("nodes that call one master by different names do not make it another one again and again", async () => {
  const names = ["10.0.0.1", "redis-1.test", "redis-1.test", "10.0.0.1"]; // who answers first is another each time
  const seeds = ["10.0.0.1:6379", "10.0.0.2:6379"];
  let turn = 0;
  const slots = () => [[0, LAST, [names[turn++ % 4], 6379]]] as const;
  const { map } = mapOver(seeds, slots);
  const named = new Set<Node>();
  for (let i = 0; i < 20; i++) named.add(placeText(await map.master(soon())));
  expect(named.size).toBe(1);
  map.close();
});

test("who is asked again and again is connected to once, though more nodes are named than are asked together", async () => {
  const masters = ["10.0.0.1", "10.0.0.2", "10.0.0.3"];
  const slots = () => masters.map((host, i) => [i * 5000, i === 2 ? LAST : i * 5000 + 4999, [host, 6379]] as const);
  const seeds = [...masters, "10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4"].map((host) => `${host}:6379`);
  const { map, connected, open } = mapOver(seeds, slots);
  for (let i = 0; i < 40; i++) {
    await map.master(soon());
    await settled();
  }
  expect(connected.length).toBe(new Set(connected).size);
  expect(open.size).toBeLessThanOrEqual(5);
  map.close();
  await settled();
  expect(open.size).toBe(0);
});

test("those that are cut off from the others are not asked for ever", async () => {
  const seeds = ["10.0.1.1", "10.0.1.2", "10.0.1.3", "10.0.1.4"].map((host) => `${host}:6379`);
  let split: readonly Node[] | undefined;
  const masterOf = (node: Node) => (split === undefined || split.includes(node) ? "10.0.0.1" : "10.0.0.2");
  const { map, open } = mapOver(
    seeds,
    (node) => [[0, LAST, [masterOf(node), 6379]]],
    (node) => {
      if (split === undefined) return "ok";
      if (node === "10.0.0.1:6379") return "gone";
      return split.includes(node) ? "fail" : "ok";
    },
  );
  for (let i = 0; i < 5; i++) await map.master(soon());
  await settled();
  split = seeds.filter((seed) => open.has(seed));
  expect(split).toHaveLength(2);
  for (let i = 0; i < 50 && map.nodeOf(FENCE) !== "10.0.0.2:6379"; i++) {
    await map.master(soon());
    await settled();
  }
  expect(map.nodeOf(FENCE)).toBe("10.0.0.2:6379");
});

test("a node that serves nothing any more is let go", async () => {
  let hosts = ["10.0.0.1", "10.0.0.2"];
  const slots = () => [[0, 9000, [hosts[0], 6379]] as const, [9001, LAST, [hosts[1], 6379]] as const];
  const { map, open } = mapOver(["10.0.0.1:6379"], slots);
  for (let i = 0; i < 3; i++) await map.master(soon());
  hosts = ["10.0.0.1", "10.0.0.3"];
  for (let i = 0; i < 3; i++) await map.master(soon());
  await settled();
  expect([...map.nodes()].sort()).toEqual(["10.0.0.1:6379", "10.0.0.3:6379"]);
  expect(open.size).toBe(2);
});

test.each<[what: string, master: Master, Node]>([
  ["an address", ["10.0.0.9", 7001, "id", []], "10.0.0.9:7001"],
  ["an address of IPv6", ["2001:db8::7", 7001], "[2001:db8::7]:7001"],
  ["a host name", ["redis-1.example", 7001, "id", ["ip", "10.0.0.9"]], "redis-1.example:7001"],
  ["nothing: the one that was asked", [null, 7001, "id", []], "10.0.0.1:7001"],
  ["nothing, as it knows none of itself", ["", 7001], "10.0.0.1:7001"],
  ["?, as it announces no host name: its address", ["?", 7001, "id", ["ip", "10.0.0.9"]], "10.0.0.9:7001"],
  ["? and nothing else", ["?", 7001], "10.0.0.1:7001"],
])("a master may be told by %s", async (_, master, node) => {
  const { map } = mapOver(["10.0.0.1:6379"], () => [[0, LAST, master]]);
  await map.master(soon());
  expect(map.nodeOf(FENCE)).toBe(node);
});

test.each<[error: string, ReturnType<typeof redirectionIn>]>([
  ["MOVED 7 10.0.0.9:7001", { kind: "MOVED", to: "10.0.0.9:7001" }],
  ["ASK 7 redis-1.example:7001", { kind: "ASK", to: "redis-1.example:7001" }],
  ["MOVED 7 2001:db8::7:7001", { kind: "MOVED", to: "[2001:db8::7]:7001" }],
  ["MOVED 7 ::ffff:10.0.0.9:7001", { kind: "MOVED", to: "[::ffff:10.0.0.9]:7001" }],
  ["MOVED 7 :7001", { kind: "MOVED", to: "10.0.0.1:7001" }],
  ["MOVED 7 ?:7001", undefined],
  ["MOVED 7 nowhere", undefined],
  ["CLUSTERDOWN Hash slot not served", undefined],
])("%s leads elsewhere, or nowhere", (text, redirection) => {
  expect(redirectionIn(new Error(text), "10.0.0.1:6379")).toEqual(redirection);
});
