/**
 * The user that a person at a provider is here: found, or made at the first sign-in; with the role that the groups say.
 *
 * @module
 */
import { AppError, newId } from "@holdfast/kernel";
import type { Transaction } from "../../database/database.ts";
import { endSessions } from "../sessions.ts";
import { findUser, type UserRow } from "../user-rows.ts";
import { hasAdministrator } from "../ways-in.ts";
import { insertUser } from "../users.ts";
import type { SingleSignOnDependencies } from "./dependencies.ts";
import { insertIdentity, userOfIdentity } from "./identities.ts";
import type { Person } from "./person.ts";
import type { ProviderRow } from "./provider-rows.ts";

/** @throws AppError `ERR_FORBIDDEN` for who does not get in, `ERR_NAME_TAKEN` when somebody here has the new user's name. */
export async function userOfPerson(
  dependencies: SingleSignOnDependencies,
  transaction: Transaction,
  provider: ProviderRow,
  person: Person,
): Promise<UserRow> {
  const user = await userOfIdentity(transaction, provider, person);
  if (user === undefined) return createUserOf(dependencies, transaction, provider, person);
  if (user.disabled === 1) {
    throw new AppError("ERR_FORBIDDEN", `The user ${user.name} is disabled.`, {
      subject: user.id,
      remedy: "Ask an administrator.",
    });
  }
  await followGroups(dependencies, transaction, provider, person, user);
  await transaction
    .updateTable("identities")
    .set({ used_at: dependencies.clock.now(), label: person.label })
    .where("provider_id", "=", provider.id)
    .where("subject", "=", person.subject)
    .execute();
  return findUser(transaction, user.id);
}

async function createUserOf(
  dependencies: SingleSignOnDependencies,
  transaction: Transaction,
  provider: ProviderRow,
  person: Person,
): Promise<UserRow> {
  const { clock, randomness, audit } = dependencies;
  const { name, label } = person;
  if (provider.creates_users === 0) {
    throw new AppError(
      "ERR_FORBIDDEN",
      `Nobody here is linked with the account ${label} of ${provider.name}.`,
      {
        subject: provider.id,
        remedy: "Sign in with your password and link the account; or ask an administrator.",
      },
    );
  }
  const role = person.role === undefined ? provider.default_role : person.role;
  if (role === null) throw inNoGroup(provider, label);
  if (name === undefined) {
    throw new AppError("ERR_FORBIDDEN", `${provider.name} says no name that a user can have here.`, {
      subject: provider.id,
      remedy: "Let the provider send preferred_username or email: small letters, digits and . _ @ + -.",
    });
  }
  await refuseTakenBySomebody(transaction, provider, name);
  const id = newId("user", clock, randomness);
  await insertUser(dependencies, transaction, { id, name, role, passwordHash: "" });
  await insertIdentity(dependencies, transaction, { provider, person, userId: id, origin: "creation" });
  await audit.append(transaction, {
    actor: { kind: "service", id: "" },
    action: "user.create",
    subject: { kind: "user", id },
    details: { name, role, provider: provider.id, account: label },
  });
  return findUser(transaction, id);
}

/** Not linked by itself: that would hand a user over to whoever gets the name at the provider. */
async function refuseTakenBySomebody(
  transaction: Transaction,
  provider: ProviderRow,
  name: string,
): Promise<void> {
  const other = await transaction
    .selectFrom("users")
    .select("id")
    .where("name", "=", name)
    .executeTakeFirst();
  if (other === undefined) return;
  throw new AppError("ERR_NAME_TAKEN", `There is a user ${name} already, not linked with ${provider.name}.`, {
    subject: name,
    remedy: "If that is you: sign in with your password, and link the account.",
  });
}

async function followGroups(
  dependencies: SingleSignOnDependencies,
  transaction: Transaction,
  provider: ProviderRow,
  { role, label }: Person,
  user: UserRow,
): Promise<void> {
  if (role === undefined || role === user.role) return;
  const { audit } = dependencies;
  const loses = user.role === "administrator" && !(await hasAdministrator(transaction, user.id));
  const about = { actor: { kind: "service", id: "" }, subject: { kind: "user", id: user.id } } as const;
  if (loses) {
    await audit.append(transaction, {
      ...about,
      action: "user.role-kept",
      details: {
        role: user.role,
        provider: provider.id,
        groups: role ?? "none",
        reason: "last administrator",
      },
    });
    return;
  }
  if (role === null) throw inNoGroup(provider, label);
  await transaction
    .updateTable("users")
    .set({ role, revision: user.revision + 1 })
    .where("id", "=", user.id)
    .execute();
  await audit.append(transaction, {
    ...about,
    action: "user.change",
    details: { role, before: user.role, provider: provider.id },
  });
}

/** Who is in no group any more keeps no session either. */
export async function endSessionsOfUngrouped(
  dependencies: SingleSignOnDependencies,
  provider: ProviderRow,
  person: Person,
): Promise<void> {
  if (person.role !== null) return;
  await dependencies.database.transaction(async (transaction) => {
    const user = await userOfIdentity(transaction, provider, person);
    if (user !== undefined) await endSessions(dependencies, transaction, { userId: user.id });
  });
}

function inNoGroup({ name, id }: ProviderRow, label: string): AppError {
  return new AppError("ERR_FORBIDDEN", `The account ${label} of ${name} is in no group that gets in here.`, {
    subject: id,
    remedy: "Ask who looks after the groups at the provider, or an administrator.",
  });
}
