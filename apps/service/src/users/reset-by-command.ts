/**
 * For who has the service's machine and no password any more: `holdfast admin reset-password`.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { UserDependencies } from "./dependencies.ts";
import { checkPassword } from "./password-rules.ts";
import { removeSecondFactorValues } from "./second-factor.ts";
import { endSessions } from "./sessions.ts";
import { removeOtherWaysIn } from "./users.ts";

/**
 * Sets the password, lets the user sign in again if that was disabled, removes the second factor, and ends all sessions, API
 * tokens and passkeys.
 *
 * @throws AppError `ERR_NOT_FOUND`, `ERR_PASSWORD_WEAK`.
 */
export async function resetPasswordByCommand(
  dependencies: UserDependencies,
  name: string,
  password: string,
): Promise<void> {
  const { database, audit, clock, passwords } = dependencies;
  checkPassword(name, password);
  const hash = await passwords.hash(password);
  await database.transaction(async (transaction) => {
    const user = await transaction
      .selectFrom("users")
      .selectAll()
      .where("name", "=", name)
      .executeTakeFirst();
    if (user === undefined) {
      const rows = await transaction.selectFrom("users").select("name").orderBy("name").limit(20).execute();
      throw new AppError("ERR_NOT_FOUND", `There is no user ${name}.`, {
        subject: name,
        remedy: `There are: ${rows.map((row) => row.name).join(", ")}.`,
      });
    }
    await transaction
      .updateTable("users")
      .set({
        password: hash,
        password_changed_at: clock.now(),
        disabled: 0,
        totp_version: null,
        totp_pending_version: null,
        totp_head_box: null,
        revision: user.revision + 1,
      })
      .where("id", "=", user.id)
      .execute();
    await removeSecondFactorValues(transaction, user.id);
    await endSessions(dependencies, transaction, { userId: user.id });
    await removeOtherWaysIn(transaction, user.id);
    await audit.append(transaction, {
      actor: { kind: "command", id: "" },
      action: "user.password",
      subject: { kind: "user", id: user.id },
      details: { secondFactorRemoved: user.totp_version !== null, enabled: user.disabled === 1 },
    });
  });
}
