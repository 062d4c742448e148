// Certificates for tests, made by openssl in a temp folder: an authority nobody knows, and what it has signed.

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Names of PEM files. */
export interface Certified {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly ca: string;
  /** A certificate for these names, as openssl writes them: "DNS:localhost,IP:127.0.0.1". */
  certify(names: string): Certified;
  remove(): void;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export function createAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), "forebay-ca-"));
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { stdio: "ignore" });
  let count = 0;
  const subject = ["-subj", "/CN=Forebay test authority"];
  openssl("req", "-x509", ...NEW_KEY, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "2", ...subject);
  return {
    ca: at("ca.pem"),
    certify(names) {
      const name = `c${count++}`;
      const [key, asked, cert, more] = [at(`${name}.key`), at(`${name}.csr`), at(`${name}.pem`), at(`${name}.ext`)];
      writeFileSync(more, `subjectAltName=${names}\n`);
      openssl("req", ...NEW_KEY, "-keyout", key, "-out", asked, "-subj", `/CN=${name}`);
      const by = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", more];
      openssl("x509", "-req", "-in", asked, "-out", cert, ...by);
      return { cert, key };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
