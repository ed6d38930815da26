/**
 * A new client secret, tried at the provider before it replaces the old one.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import type { Database } from "../../database/database.ts";
import type { ServiceTest } from "../../secrets/place-tests.ts";
import { clientWith } from "./client.ts";
import type { Issuers } from "./issuer.ts";
import { findProvider, redirectUriOf } from "./provider-rows.ts";

/** The provider looks at the client before it looks at where a browser would go on. */
const REDIRECT_URI = redirectUriOf("localhost");

export function createProviderProposalTest(
  { db }: Pick<Database, "db">,
  issuers: Pick<Issuers, "inspect">,
): ServiceTest {
  return {
    by: "service",
    placeOf: async (reader, { id }) => {
      const { issuer, client_id: clientId } = await findProvider(reader, id);
      return JSON.stringify([issuer, clientId]);
    },
    run: async ({ id }, _, value) => {
      const row = await findProvider(db, id);
      const who = clientWith(row, Buffer.from(value).toString("utf8"));
      const { clientRefusal } = await issuers.inspect(who, REDIRECT_URI);
      if (clientRefusal === undefined) return;
      throw new AppError(
        "ERR_SIGN_IN_FAILED",
        `${row.name} refuses the new client secret (${clientRefusal}).`,
        {
          subject: id,
          remedy:
            "Copy the secret anew from the provider; a new one may take some minutes until it holds there.",
        },
      );
    },
  };
}
