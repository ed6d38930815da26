/**
 * Opens everything that is in the vault, and says what does not open or does not fit together.
 *
 * @module
 */
import type { SecretBytes } from "@holdfast/crypto";
import { isAppError } from "@holdfast/kernel";
import type { Db } from "../database/database.ts";
import { checkTermBox } from "./keyring.ts";
import { checkPendingKit } from "./recovery-kit.ts";
import { areVouchedFor, provenFactorVersion } from "../users/second-factor-head.ts";
import { provenVersion } from "./secret-values.ts";
import { vaultDamaged } from "./vault-boxes.ts";
import type { StoredName } from "./vault-context.ts";
import type { OpenedVault } from "./vault-of-keys.ts";
import { nameOfValue, openValue, type ValueRow } from "./vault-values.ts";

export interface VaultVerification {
  readonly values: number;
  readonly problems: readonly VaultProblem[];
}

export interface VaultProblem {
  readonly subject: string;
  readonly reason: string;
}

type Report = (subject: string, reason: string) => void;

const PAGE_ROWS = 500;
/** Beyond, something is wrong as a whole. */
const PROBLEMS_MAX = 100;

/** Never throws for what it finds: the others are looked at as well. */
export async function verifyVault(db: Db, vault: OpenedVault): Promise<VaultVerification> {
  const problems: VaultProblem[] = [];
  const report: Report = (subject, reason) => {
    if (problems.length < PROBLEMS_MAX) problems.push({ subject, reason });
  };
  await verifyTerms(db, vault, report);
  const values = await verifyValues(db, vault, report);
  await verifySecrets(db, vault, report);
  await verifyProposals(db, report);
  await verifyFactors(db, vault, report);
  await verifyRepositories(db, report);
  await verifyWays(db, vault, report);
  return { values, problems };
}

async function verifyTerms(db: Db, vault: OpenedVault, report: Report): Promise<void> {
  const terms = await db.selectFrom("keyring_terms").selectAll().orderBy("number").execute();
  for (const { number, box } of terms) {
    await attempt(report, () => checkTermBox(vault.keys, number, box));
  }
}

async function verifyValues(db: Db, vault: OpenedVault, report: Report): Promise<number> {
  let count = 0;
  let last: ValueRow | undefined;
  for (;;) {
    const rows = await valuesAfter(db, last);
    for (const row of rows) {
      const { object_kind, object_id: id, version, field, box } = row;
      const name = { kind: object_kind, id, version, field };
      if (box === null) report(nameOfValue(name), `Its term ${String(row.term)} is missing.`);
      else await attempt(report, () => checkValue(name, openValue(vault.keys, name, { ...row, box })));
    }
    count += rows.length;
    last = rows.at(-1);
    if (rows.length < PAGE_ROWS) return count;
  }
}

/** Wipes the value. */
function checkValue(name: StoredName, value: SecretBytes): void {
  using opened = value;
  // Its keys would follow from what is no secret: it was wiped before it was stored.
  if (name.kind === "repository" && opened.bytes.every((byte) => byte === 0))
    throw vaultDamaged(nameOfValue(name), "is empty");
}

function valuesAfter(db: Db, last: ValueRow | undefined): Promise<(ValueRow & { box: Buffer | null })[]> {
  let query = db
    .selectFrom("vault_values")
    .leftJoin("keyring_terms", "keyring_terms.number", "vault_values.term")
    .selectAll("vault_values")
    .select("keyring_terms.box");
  if (last !== undefined) {
    query = query.where((eb) =>
      eb(
        eb.refTuple("object_kind", "object_id", "version", "field"),
        ">",
        eb.tuple(last.object_kind, last.object_id, last.version, last.field),
      ),
    );
  }
  return query
    .orderBy("object_kind")
    .orderBy("object_id")
    .orderBy("version")
    .orderBy("field")
    .limit(PAGE_ROWS)
    .execute();
}

async function verifySecrets(db: Db, vault: OpenedVault, report: Report): Promise<void> {
  for (const row of await db.selectFrom("secrets").selectAll().orderBy("id").execute()) {
    await attempt(report, () => provenVersion(db, vault, row));
  }
  const orphans = await db
    .selectFrom("vault_values")
    .leftJoin("secrets", (join) =>
      join
        .onRef("secrets.id", "=", "vault_values.object_id")
        .onRef("secrets.kind", "=", "vault_values.object_kind"),
    )
    .select(["object_kind", "object_id", "version", "field"])
    .where("object_kind", "in", ["password", "encryption-key"])
    .where("secrets.id", "is", null)
    .limit(PROBLEMS_MAX)
    .execute();
  for (const { object_kind: kind, object_id: id, version, field } of orphans) {
    report(nameOfValue({ kind, id, version, field }), "It belongs to no secret.");
  }
}

async function verifyFactors(db: Db, vault: OpenedVault, report: Report): Promise<void> {
  const users = await db
    .selectFrom("users")
    .select(["id", "totp_version", "totp_head_box"])
    .orderBy("id")
    .execute();
  const vouched = await areVouchedFor(db);
  for (const user of users) {
    // Of a database that was brought up to date and not started since.
    if (user.totp_head_box === null && user.totp_version !== null && !vouched) continue;
    await attempt(report, () => provenFactorVersion(db, vault, user));
  }
}

async function verifyProposals(db: Db, report: Report): Promise<void> {
  const orphans = await db
    .selectFrom("vault_values")
    .leftJoin("secret_proposals", "secret_proposals.id", "vault_values.object_id")
    .select("object_id")
    .where("object_kind", "=", "proposal")
    .where((eb) => eb.or([eb("state", "is", null), eb("state", "!=", "open")]))
    .limit(PROBLEMS_MAX)
    .execute();
  for (const { object_id: id } of orphans) {
    report(nameOfValue({ kind: "proposal", id, version: 1, field: "value" }), "It should have been dropped.");
  }
}

async function verifyRepositories(db: Db, report: Report): Promise<void> {
  const rows = await db
    .selectFrom("repositories")
    .leftJoin("vault_values", (join) =>
      join
        .onRef("vault_values.object_id", "=", "repositories.id")
        .on("vault_values.object_kind", "=", "repository"),
    )
    .select("repositories.id")
    .where("repositories.suite", "!=", 0)
    .where("vault_values.object_id", "is", null)
    .limit(PROBLEMS_MAX)
    .execute();
  for (const { id } of rows) report(`The repository ${id}`, "Its root secret is missing in the vault.");
}

async function verifyWays(db: Db, vault: OpenedVault, report: Report): Promise<void> {
  await attempt(report, () => vault.recoveryPublicKey(db));
  const slots = await db.selectFrom("unlock_slots").selectAll().orderBy("id").execute();
  for (const slot of slots) await attempt(report, () => checkPendingKit(vault.keys, slot));
  if (slots.length === 0) report("The unlock slots", "There is none: the vault could not be opened again.");
}

async function attempt(report: Report, work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    // A secret that was deleted meanwhile.
    if (isAppError(error, "ERR_NOT_FOUND")) return;
    if (!isAppError(error, "ERR_VAULT_DAMAGED")) throw error;
    report(error.subject ?? "The vault", error.message);
  }
}
