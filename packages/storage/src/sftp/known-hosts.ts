/**
 * The files in which OpenSSH keeps the keys of hosts: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT.
 *
 * A line is `[@marker] names key-type base64 [comment]`. Names are comma-separated patterns with `*`, `?` and a negating
 * `!`, or one name hashed as `|1|salt|HMAC-SHA1(salt, name)`. What is not such a line is passed over, as OpenSSH does.
 *
 * @module
 */
import { createHmac } from "node:crypto";

export interface KnownHost {
  readonly marker: "revoked" | "cert-authority" | undefined;
  /** Patterns or a hashed name, as the line has them. */
  readonly names: string;
  readonly keyType: string;
  /** Public key in the format of RFC 4253 section 6.6. */
  readonly key: Buffer;
}

const MARKERS: ReadonlyMap<string, KnownHost["marker"]> = new Map([
  ["@revoked", "revoked"],
  ["@cert-authority", "cert-authority"],
] as const);

export function parseKnownHosts(text: string): readonly KnownHost[] {
  const lines: KnownHost[] = [];
  for (const line of text.split("\n")) {
    const host = parseLine(line.trim());
    if (host !== undefined) lines.push(host);
  }
  return lines;
}

/** @param name of the host, with its port as `[host]:port` unless that is 22; in lower case. */
export function namesHost(names: string, name: string): boolean {
  if (names.startsWith("|")) return isHashOf(names, name);
  const patterns = names.toLowerCase().split(",");
  const negated = patterns.some((pattern) => pattern.startsWith("!") && matches(pattern.slice(1), name));
  return !negated && patterns.some((pattern) => !pattern.startsWith("!") && matches(pattern, name));
}

function parseLine(line: string): KnownHost | undefined {
  if (line === "" || line.startsWith("#")) return undefined;
  const fields = line.split(/[ \t]+/);
  const first = fields[0] ?? "";
  const marked = first.startsWith("@");
  const marker = MARKERS.get(first);
  // An unknown marker changes the meaning of its line in a way that is not known here.
  if (marked && marker === undefined) return undefined;
  const [names, keyType, base64] = marked ? fields.slice(1) : fields;
  if (names === undefined || keyType === undefined || base64 === undefined) return undefined;
  const key = Buffer.from(base64, "base64");
  return keyTypeOf(key) === keyType ? { marker, names, keyType, key } : undefined;
}

/** The type that a public key begins with; undefined when it is no key. */
export function keyTypeOf(key: Buffer): string | undefined {
  if (key.length < 4) return undefined;
  const length = key.readUInt32BE(0);
  return length > 0 && 4 + length < key.length ? key.toString("latin1", 4, 4 + length) : undefined;
}

function isHashOf(hashed: string, name: string): boolean {
  const [, version, salt, hash] = hashed.split("|");
  if (version !== "1" || salt === undefined || hash === undefined) return false;
  const expected = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  return expected.equals(Buffer.from(hash, "base64"));
}

function matches(pattern: string, name: string): boolean {
  const source = pattern.replace(/[\\^$.*+?()[\]{}|]/g, (character) => {
    if (character === "*") return ".*";
    return character === "?" ? "." : `\\${character}`;
  });
  return new RegExp(`^${source}$`, "s").test(name);
}
