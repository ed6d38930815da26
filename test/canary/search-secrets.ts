/**
 * Searches bytes for secrets in all forms in which they could leak.
 *
 * @module
 */
import fs from "node:fs";

interface Needle {
  /** What was found, without the secret itself. */
  readonly name: string;
  readonly bytes: Buffer;
}

export class SecretSearch {
  readonly #needles: Needle[] = [];

  add(name: string, secret: Buffer): void {
    const forms = new Map<string, Buffer>([
      ["as it is", secret],
      ["in UTF-16", Buffer.from(secret.toString("latin1"), "utf16le")],
      ["in hex", Buffer.from(secret.toString("hex"))],
      ["in upper-case hex", Buffer.from(secret.toString("hex").toUpperCase())],
      ["as a list of numbers", Buffer.from(secret.join(","))],
      ["as a list of numbers with spaces", Buffer.from(secret.join(", "))],
      ["escaped for a URL", Buffer.from(encodeURIComponent(secret.toString("latin1")))],
    ]);
    for (const encoding of ["base64", "base64url"] as const) {
      for (let shift = 0; shift < 3; shift += 1)
        forms.set(`in ${encoding}, shift ${String(shift)}`, inner(secret, shift, encoding));
    }
    for (const [form, bytes] of forms) this.#needles.push({ name: `${name} ${form}`, bytes });
  }

  /** What of the secrets is in these bytes. */
  in(bytes: Buffer): string[] {
    return this.#needles.filter((needle) => bytes.includes(needle.bytes)).map(({ name }) => name);
  }

  /** In names and content of everything below a folder. */
  below(folder: string, isLeftOut: (path: string) => boolean): string[] {
    const found: string[] = [];
    for (const name of fs.readdirSync(folder, { recursive: true, encoding: "buffer" })) {
      if (isLeftOut(name.toString())) continue;
      const path = Buffer.concat([Buffer.from(`${folder}/`), name]);
      const content = fs.lstatSync(path).isFile() ? this.in(fs.readFileSync(path)) : [];
      found.push(...[...this.in(name), ...content].map((what) => `${name.toString()}: ${what}`));
    }
    return found;
  }
}

/** The characters that depend on the secret alone, wherever it stands in what was encoded. */
function inner(secret: Buffer, shift: number, encoding: "base64" | "base64url"): Buffer {
  const text = Buffer.concat([Buffer.alloc(shift), secret])
    .toString(encoding)
    .replaceAll("=", "");
  const start = shift === 0 ? 0 : shift + 1;
  const isWhole = (shift + secret.length) % 3 === 0;
  return Buffer.from(text.slice(start, isWhole ? undefined : -1));
}
