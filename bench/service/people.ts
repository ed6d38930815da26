/** Users with sessions and API tokens, without the time that signing in takes. */
import { createHash, randomBytes } from "node:crypto";
import { newId, systemClock } from "@holdfast/kernel";
import { RIGHTS } from "@holdfast/protocol";
import type { Database } from "../../apps/service/src/database/database.ts";
import { PEOPLE } from "./scale.ts";

export interface Person {
  readonly headers: Readonly<Record<string, string>>;
  /** From where this person's requests come. */
  readonly address: string;
}

const HOURS_12_MS = 12 * 3600_000;

/** Half of them people with sessions, half programs with tokens. */
export async function insertPeople({ db }: Database): Promise<Person[]> {
  const people: Person[] = [];
  const now = Date.now();
  for (let index = 0; index < PEOPLE; index += 1) {
    const id = newId("user", systemClock);
    const token = randomBytes(32).toString("base64url");
    const hash = createHash("sha256").update(token).digest("hex");
    await db
      .insertInto("users")
      .values({
        id,
        name: `person-${String(index)}`,
        role: "administrator",
        // Nobody signs in with it.
        password: "",
        password_changed_at: now,
        totp_version: null,
        totp_pending_version: null,
        disabled: 0,
        created_at: now,
        revision: 1,
      })
      .execute();
    const address = `127.0.1.${String(index + 1)}`;
    if (index % 2 === 0) {
      await db
        .insertInto("sessions")
        .values({
          id: hash,
          user_id: id,
          created_at: now,
          used_at: now,
          expires_at: now + HOURS_12_MS,
          address,
          user_agent: "bench",
        })
        .execute();
      people.push({ address, headers: { cookie: `__Host-holdfast=${token}` } });
    } else {
      await db
        .insertInto("api_tokens")
        .values({
          id: newId("tok", systemClock),
          hash,
          user_id: id,
          name: "bench",
          scopes: JSON.stringify(RIGHTS.filter((right) => right !== "secrets.reveal")),
          created_at: now,
          used_at: null,
          expires_at: null,
        })
        .execute();
      people.push({ address, headers: { authorization: `Bearer ${token}` } });
    }
  }
  return people;
}
