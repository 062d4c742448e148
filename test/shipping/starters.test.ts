// Do the files that `forebay init` writes work as they are? Each is read back: YAML, the configuration in it by `check`,
// the Kubernetes manifest by the rules of its fields that need no cluster, compose.yaml by what the image listens on.

import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { parseArguments } from "../../src/cli/args.ts";
import { STARTERS, writeStarter } from "../../src/cli/init.ts";
import { loadConfig } from "../../src/config/load.ts";
import { runForebay } from "../support/sidecar.ts";

const ROOT = join(import.meta.dirname, "../..");
let folder = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "forebay-init-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function written(word: string): Map<string, string> {
  writeStarter([word], { folder, isForced: false, version: "1.2.3" });
  return new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]));
}

describe("forebay init", () => {
  it.each(Object.keys(STARTERS))("writes %s, says what and what to do next, and is done", async (word) => {
    const { code, stdout, stderr } = await runForebay(["init", word, "--out", "made"], { cwd: folder });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const files = readdirSync(join(folder, "made"));
    expect(files.toSorted()).toEqual(STARTERS[word]?.files.toSorted());
    for (const file of files) {
      expect(stdout).toContain(`wrote ${join("made", file)}`);
      expect(readFileSync(join(folder, "made", file), "utf8")).not.toContain("@VERSION@");
    }
    expect(stdout).toMatch(/\n\nNext\n {2}\S/);
  });

  it("writes nothing over what is there, unless told to", async () => {
    const file = join(folder, "proxy.config.yaml");
    writeFileSync(file, "mine");
    const refused = await runForebay(["init", "config"], { cwd: folder });
    expect([refused.code, refused.stdout, readdirSync(folder)]).toEqual([2, "", ["proxy.config.yaml"]]);
    expect(refused.stderr).toContain(
      "proxy.config.yaml is there already, so nothing was written; --force overwrites it",
    );
    expect(readFileSync(file, "utf8")).toBe("mine");
    expect((await runForebay(["init", "config", "--force"], { cwd: folder })).code).toBe(0);
    expect(readFileSync(file, "utf8")).toContain("origin:");
  });

  it("keeps the configuration that compose finds", () => {
    writeFileSync(join(folder, "proxy.config.yaml"), "mine");
    const done = writeStarter(["compose"], { folder, isForced: false, version: "1.2.3" });
    expect(done).toMatchObject({ kind: "written", text: expect.stringContaining("kept  ") });
    expect(readFileSync(join(folder, "proxy.config.yaml"), "utf8")).toBe("mine");
  });

  it("prints with --out - and writes nothing", async () => {
    const { code, stdout } = await runForebay(["init", "kubernetes", "--out", "-"], { cwd: folder });
    expect([code, readdirSync(folder), parseAllDocuments(stdout).length]).toEqual([0, [], 3]);
  });

  it.each([[["init"]], [["init", "helm"]], [["init", "config", "compose"]]])(
    "says what there is: %j",
    async (words) => {
      const { code, stderr } = await runForebay(words, { cwd: folder });
      expect([code, readdirSync(folder)]).toEqual([2, []]);
      for (const word of Object.keys(STARTERS)) expect(stderr).toContain(`forebay init ${word}`);
    },
  );

  it("says it where a folder cannot be written to", async () => {
    writeFileSync(join(folder, "file"), "");
    const { code, stderr } = await runForebay(["init", "config", "--out", "file/below"], { cwd: folder });
    expect([code, stderr.includes("--out DIR"), stderr.includes("    at ")]).toEqual([2, true, false]);
  });
});

describe("the configuration to start from", () => {
  it("passes check as it is, and names the schema that lies beside it", async () => {
    const files = written("config");
    const [, schema = ""] =
      /^# yaml-language-server: \$schema=\.\/(\S+)\n/.exec(files.get("proxy.config.yaml") ?? "") ?? [];
    expect(JSON.parse(files.get(schema) ?? "")).toHaveProperty("properties.routes");
    expect(await runForebay(["check"], { cwd: folder })).toMatchObject({ code: 0, stderr: "" });
  });

  it("is right with all that stands in comments, too", () => {
    const text = written("config").get("proxy.config.yaml") ?? "";
    const whole = text.replace(/^ {2}# ( *(?:redis|url):)/gm, "  $1");
    expect(loadConfig({ file: "a", env: {}, readFile: () => whole }).store.redis?.url).toBe("redis://127.0.0.1:6379/0");
  });
});

describe("compose.yaml to start from", () => {
  it("starts Forebay as its command line, configuration and image have it", () => {
    const files = written("compose");
    const { services, volumes } = parse(files.get("compose.yaml") ?? "");
    const { forebay } = services;
    const args = parseArguments(forebay.command);
    if (args.kind !== "run") throw new Error(args.kind);
    const readFile = () => files.get("proxy.config.yaml") ?? "";
    const config = loadConfig({ file: "a", env: {}, flags: args.flags, readFile });
    expect([config.listen, config.admin]).toEqual([
      { host: "::", port: 8080 },
      { host: "::", port: 8081 },
    ]);
    expect(forebay.ports).toEqual(["127.0.0.1:8080:8080", "127.0.0.1:8081:8081"]);
    expect(forebay.volumes).toEqual(["./proxy.config.yaml:/app/proxy.config.yaml:ro"]);
    expect(Number.parseInt(forebay.stop_grace_period, 10) * 1000).toBeGreaterThan(config.drain);
    expect(Object.keys(forebay.environment).filter((name) => !readFile().includes(`\${${name}`))).toEqual([]);
    expect(Object.keys(forebay.depends_on).filter((name) => !(name in services))).toEqual([]);
    expect(new URL(config.origin.url[0] ?? "").hostname in services).toBe(true);
    expect(new URL(config.store.redis?.url ?? "").hostname in services).toBe(true);
    expect(Object.keys(volumes)).toEqual(["redis"]);
    expect(forebay.image).toContain("forebay:1.2.3");
  });
});

describe("the Kubernetes manifest to start from", () => {
  // biome-ignore lint/suspicious/noExplicitAny: whatever YAML holds
  const manifest = (): any[] =>
    parseAllDocuments(written("kubernetes").get("kubernetes.yaml") ?? "").map((it) => it.toJS());
  const parts = () => {
    const [configMap, deployment, service] = manifest();
    const pod = deployment.spec.template.spec;
    return { configMap, deployment, service, pod, sidecar: pod.initContainers[0] };
  };

  it("is a ConfigMap, a Deployment and a Service that find each other by their labels and names", () => {
    const { configMap, deployment, service, pod, sidecar } = parts();
    expect(manifest().map(({ apiVersion, kind }) => `${apiVersion} ${kind}`)).toEqual([
      "v1 ConfigMap",
      "apps/v1 Deployment",
      "v1 Service",
    ]);
    for (const { metadata } of manifest()) expect(metadata.name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
    expect(deployment.spec.template.metadata.labels).toMatchObject(deployment.spec.selector.matchLabels);
    expect(deployment.spec.template.metadata.labels).toMatchObject(service.spec.selector);
    expect(sidecar.ports.map(({ name }: { name: string }) => name)).toContain(service.spec.ports[0].targetPort);
    expect(pod.volumes).toEqual([{ name: sidecar.volumeMounts[0].name, configMap: { name: configMap.metadata.name } }]);
  });

  it("runs Forebay as a native sidecar and leaves the service as it is", () => {
    const { pod, sidecar } = parts();
    expect([sidecar.restartPolicy, pod.initContainers.length]).toEqual(["Always", 1]);
    expect(pod.containers.map((container: object) => Object.keys(container))).toEqual([["name", "image", "lifecycle"]]);
    const known =
      "name image restartPolicy args env ports startupProbe readinessProbe livenessProbe resources securityContext volumeMounts";
    expect(Object.keys(sidecar).filter((key) => !known.split(" ").includes(key))).toEqual([]);
    for (const value of Object.values(sidecar.resources).flatMap((one) => Object.values(one as object))) {
      expect(value).toMatch(/^\d+(m|Mi)$/);
    }
    expect(sidecar.image).toBe("forebay:1.2.3");
  });

  it("probes what the admin listener answers to everybody, on a port of the pod's address", () => {
    const { sidecar, configMap } = parts();
    const config = configOf(configMap);
    const probes = [sidecar.startupProbe, sidecar.readinessProbe, sidecar.livenessProbe];
    expect(probes.map(({ httpGet }) => httpGet.path)).toEqual(["/healthz", "/readyz", "/healthz"]);
    const known = "httpGet initialDelaySeconds periodSeconds timeoutSeconds failureThreshold successThreshold";
    for (const probe of probes) {
      expect(Object.keys(probe).filter((key) => !known.split(" ").includes(key))).toEqual([]);
      expect(probe.httpGet.port).toBe("admin");
    }
    const portOf = (name: string) => sidecar.ports.find((port: { name: string }) => port.name === name).containerPort;
    expect(config.admin).toEqual({ host: "::", port: portOf("admin") });
    expect(config.listen).toEqual({ host: "::", port: portOf("http") });
  });

  it("holds a configuration that passes check with the environment that the container has, and no other", () => {
    const { sidecar, configMap } = parts();
    expect(sidecar.args).toEqual([
      "--config",
      `${sidecar.volumeMounts[0].mountPath}/${Object.keys(configMap.data)[0]}`,
    ]);
    expect(() => loadConfig({ file: "a", env: {}, readFile: () => configMap.data["proxy.config.yaml"] })).toThrow(
      /ADMIN_TOKEN.*\n.*REDIS_URL/,
    );
    const env = sidecar.env.map(({ name }: { name: string }) => name);
    expect(env.toSorted()).toEqual(["ADMIN_TOKEN", "REDIS_URL"]);
    for (const { valueFrom } of sidecar.env) expect(valueFrom.secretKeyRef.name).toBe("forebay");
    expect(configOf(configMap).routes.length).toBe(2);
  });

  it("ends in time: the wait, the service and the drain fit into the grace period", () => {
    const { pod, configMap } = parts();
    const wait = pod.containers[0].lifecycle.preStop.sleep.seconds;
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(wait + 20 + configOf(configMap).drain / 1000);
  });

  it("may do no more than it needs", () => {
    expect(parts().sidecar.securityContext).toEqual({
      runAsNonRoot: true,
      runAsUser: 1000,
      runAsGroup: 1000,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  function configOf({ data }: { data: Record<string, string> }) {
    const env = { ADMIN_TOKEN: "0123456789abcdef", REDIS_URL: "redis://redis:6379/0" };
    return loadConfig({ file: "a", env, readFile: () => data["proxy.config.yaml"] ?? "" });
  }
});

describe("the Grafana dashboard to start from", () => {
  const text = () => written("grafana").get("grafana.json") ?? "";

  it("has panels that do not overlap, each with a question", () => {
    const { panels, templating } = JSON.parse(text());
    const cells = new Set<string>();
    for (const { id, title, gridPos, targets } of panels) {
      expect([id > 0, title.length > 0, targets.length > 0, gridPos.x + gridPos.w <= 24]).toEqual([
        true,
        true,
        true,
        true,
      ]);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(cells.has(`${x},${y}`)).toBe(false);
          cells.add(`${x},${y}`);
        }
      }
    }
    const variables = ["datasource", "job", "instance"];
    expect(templating.list.map(({ name }: { name: string }) => name)).toEqual(variables);
    const used = [...text().matchAll(/\$\{?([a-z]+)/g)].map(([, name]) => name);
    expect(used.filter((name) => !variables.includes(name ?? ""))).toEqual([]);
  });

  it("asks for metrics that there are", () => {
    const asked = [...text().matchAll(/\b((?:forebay|process)_[a-z_]+)/g)].map(([, name = ""]) => name);
    const catalogue = globSync("src/metrics/*.ts", { cwd: ROOT }).map((file) => readFileSync(join(ROOT, file), "utf8"));
    const missing = [...new Set(asked)]
      .map((name) => name.replace(/_seconds_(?:bucket|count|sum)$/, "_seconds"))
      .filter((name) => !catalogue.join("").includes(`"${name}"`));
    expect(asked.length).toBeGreaterThan(20);
    expect(missing).toEqual([]);
  });
});
