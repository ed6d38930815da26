import type { UserDependencies } from "./dependencies.ts";
import { findUser } from "./user-rows.ts";

/** Whether this is the user's password. Who asks limits the attempts. */
export async function checkOwnPassword(
  { database, passwords }: Pick<UserDependencies, "database" | "passwords">,
  userId: string,
  password: string,
): Promise<boolean> {
  const { password: phc } = await findUser(database.db, userId);
  return passwords.verify(password, phc);
}
