/**
 * The end of every way to sign in: a session, or a refusal, and its row in the audit log.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { SessionView } from "@holdfast/protocol";
import type { SignInMethod } from "../database/tables.ts";
import type { UserDependencies } from "./dependencies.ts";
import { showSession, startSession, type Visitor } from "./sessions.ts";
import { tokenHash } from "./tokens.ts";
import { findUser, rightsOf, type UserRow } from "./user-rows.ts";

export function signInFailed(): AppError {
  return new AppError("ERR_SIGN_IN_FAILED", "Name, password or code is wrong.", {
    remedy: "Try again; an administrator can set a new password.",
  });
}

export async function openSession(
  dependencies: UserDependencies,
  user: UserRow,
  visitor: Visitor,
  { method, newHash }: { readonly method: SignInMethod; readonly newHash?: string | undefined },
): Promise<{ readonly token: string; readonly session: SessionView }> {
  const { database, audit } = dependencies;
  const token = await database.transaction(async (transaction) => {
    // Whoever shuts somebody out does so for sign-ins that are under way as well; a hash of the old password would bring it back.
    const { disabled, password } = await findUser(transaction, user.id);
    if (disabled === 1 || password !== user.password) throw signInFailed();
    if (newHash !== undefined) {
      await transaction.updateTable("users").set({ password: newHash }).where("id", "=", user.id).execute();
    }
    await audit.append(transaction, {
      actor: { kind: "user", id: user.id },
      action: "session.start",
      subject: { kind: "user", id: user.id },
      details: { address: visitor.address, method },
    });
    return startSession(dependencies, transaction, user.id, visitor, method);
  });
  const rights = await rightsOf(database.db, user);
  return { token, session: await showSession(database.db, user, rights, tokenHash(token)) };
}

/** `user` undefined: nobody has the name that was typed. */
export async function recordRefusal(
  { database, audit }: UserDependencies,
  user: UserRow | undefined,
  { address }: Visitor,
): Promise<void> {
  await database.transaction((transaction) =>
    audit.append(transaction, {
      actor: { kind: "service", id: "" },
      action: "session.refuse",
      // Not the name that was typed: it may be a password.
      subject: { kind: "user", id: user?.id ?? "" },
      details: { address },
    }),
  );
}
