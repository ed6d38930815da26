/**
 * Values as bytes: from what a person typed, and back for those who may have them.
 *
 * @module
 */
import { timingSafeEqual } from "node:crypto";
import { secretBuffer, SecretBytes, sha256 } from "@holdfast/crypto";
import { AppError } from "@holdfast/kernel";
import type { SecretKind } from "@holdfast/protocol";
import type { Selectable } from "kysely";
import type { Db } from "../database/database.ts";
import type { SecretsTable } from "../database/tables.ts";
import type { Vault } from "./vault.ts";
import { vaultDamaged } from "./vault-boxes.ts";
import { VALUE_BYTES_MAX } from "./vault-values.ts";

export type SecretRow = Selectable<SecretsTable>;

export const VALUE_FIELD = "value";

const KEY_CHARACTERS_MIN = 8;
const KEY_CHARACTERS_MAX = 1024;
/** Shorter values stand in many texts by chance. */
const TELLING_CHARACTERS_MIN = 6;

/** Text in Unicode form NFC as UTF-8, so that one value typed on two systems is one. */
export function secretText(text: string): SecretBytes {
  const normal = text.normalize("NFC");
  const bytes = secretBuffer(Buffer.byteLength(normal, "utf8"));
  bytes.write(normal, "utf8");
  return new SecretBytes(bytes);
}

/**
 * The bytes of a value that was typed twice.
 *
 * @throws AppError `ERR_CONFIRMATION`, `ERR_USAGE` for a value that cannot be one. Neither shows it.
 */
export function typedValue(kind: SecretKind, text: string, confirmation: string): SecretBytes {
  if (text.normalize("NFC") !== confirmation.normalize("NFC")) {
    throw new AppError("ERR_CONFIRMATION", "The value and its confirmation are not the same.", {
      subject: "confirmation",
      remedy: "Type both again.",
    });
  }
  if (!text.isWellFormed()) throw unusable("The value has characters that are no Unicode text.");
  if (kind === "encryption-key") checkKeyText(text);
  const value = secretText(text);
  if (value.bytes.length <= VALUE_BYTES_MAX) return value;
  value.wipe();
  throw unusable("The value is longer than 64 KiB.");
}

function checkKeyText(text: string): void {
  const characters = Array.from(text).length;
  if (characters < KEY_CHARACTERS_MIN) {
    throw unusable(`An encryption key has at least ${String(KEY_CHARACTERS_MIN)} characters.`);
  }
  if (characters > KEY_CHARACTERS_MAX) {
    throw unusable(`An encryption key has at most ${String(KEY_CHARACTERS_MAX)} characters.`);
  }
  // A key file ends at its first line break: such a key could not be typed to the command.
  if (/\p{Cc}/u.test(text)) throw unusable("An encryption key is one line without control characters.");
}

/** @throws AppError `ERR_USAGE` when one of the texts, which anybody with the list can read, has the value in it. */
export function checkNotTold(value: SecretBytes, texts: Readonly<Record<string, string | undefined>>): void {
  const bytes = Buffer.from(value.bytes.buffer, value.bytes.byteOffset, value.bytes.byteLength);
  if (bytes.length < TELLING_CHARACTERS_MIN) return;
  for (const [field, text] of Object.entries(texts)) {
    if (text === undefined || !Buffer.from(text.normalize("NFC"), "utf8").includes(bytes)) continue;
    throw new AppError("ERR_USAGE", `The ${field} has the value itself in it.`, {
      subject: field,
      remedy: "Name, description and hint are not secret: remind of the value without telling it.",
    });
  }
}

/** In a time that does not depend on where they differ. */
export function sameValue(a: SecretBytes, b: SecretBytes): boolean {
  return timingSafeEqual(sha256(a.bytes), sha256(b.bytes));
}

/**
 * The current value; proves that it is the current one.
 *
 * @throws AppError `ERR_VAULT_DAMAGED` also when an older version was put back.
 */
export async function openCurrentValue(
  db: Db,
  vault: Pick<Vault, "get" | "checkHead">,
  secret: Pick<SecretRow, "id" | "kind">,
): Promise<SecretBytes> {
  const version = await provenVersion(db, vault, secret);
  return vault.get(db, { kind: secret.kind, id: secret.id, version, field: VALUE_FIELD });
}

/**
 * The number of the current version. The head says which it is; a head that was current once and was put back shows by the
 * newer values, which stay.
 *
 * @throws AppError `ERR_NOT_FOUND` when the secret was deleted meanwhile, `ERR_VAULT_DAMAGED`.
 */
export async function provenVersion(
  db: Db,
  vault: Pick<Vault, "checkHead">,
  { id, kind }: Pick<SecretRow, "id" | "kind">,
): Promise<number> {
  // One statement: between two, somebody could store a new version.
  const row = await db
    .selectFrom("secrets")
    .leftJoin("vault_values", (join) =>
      join
        .onRef("vault_values.object_id", "=", "secrets.id")
        .onRef("vault_values.object_kind", "=", "secrets.kind"),
    )
    .select(["current_version", "head_box", "version"])
    .where("secrets.id", "=", id)
    .where("kind", "=", kind)
    .orderBy("version", "desc")
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) {
    throw new AppError("ERR_NOT_FOUND", `There is no ${kind} ${id} in the Password Manager.`, {
      subject: id,
    });
  }
  vault.checkHead(kind, id, row.current_version, row.head_box);
  if (row.version === row.current_version) return row.version;
  throw vaultDamaged(`The current version of ${kind} ${id}`, "is not its newest");
}

function unusable(message: string): AppError {
  return new AppError("ERR_USAGE", message, { subject: "value", remedy: "Choose another value." });
}
