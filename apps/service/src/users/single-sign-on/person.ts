/**
 * What a provider says of a person, and what follows: which user, which role.
 *
 * A user is recognised by provider and subject alone. Names and e-mail addresses change hands; they never find a user.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { userName } from "@holdfast/protocol";
import type { Role } from "../rights.ts";
import type { Claims } from "./issuer.ts";
import { emailDomainsOf, type ProviderRow, roleMappingOf } from "./provider-rows.ts";

const LABEL_CHARACTERS_MAX = 200;
const SUBJECT_CHARACTERS_MAX = 500;

export interface Person {
  readonly subject: string;
  /** What the account is called, for people. */
  readonly label: string;
  /** That it could have here; undefined when nothing that the provider says is one. */
  readonly name: string | undefined;
  /** That the groups say; undefined: the provider has no say; null: in no group that gets in. */
  readonly role: Role | null | undefined;
}

/** @throws AppError `ERR_FORBIDDEN` for an e-mail address that is not allowed or not verified. */
export function personOf(provider: ProviderRow, claims: Claims): Person {
  checkEmail(provider, claims);
  if (claims.sub === "" || claims.sub.length > SUBJECT_CHARACTERS_MAX) {
    throw new AppError("ERR_SIGN_IN_FAILED", `${provider.name} did not say who this is.`);
  }
  const names = [claims["preferred_username"], claims["email"]].filter((name) => typeof name === "string");
  const label = names[0] ?? claims.sub;
  return {
    subject: claims.sub,
    label: label.replaceAll(/\p{Cc}/gu, "").slice(0, LABEL_CHARACTERS_MAX),
    name: names.map((name) => name.trim().toLowerCase()).find((name) => userName.safeParse(name).success),
    role: roleByGroups(provider, claims),
  };
}

function checkEmail(provider: ProviderRow, { email, email_verified: verified }: Claims): void {
  const domains = emailDomainsOf(provider);
  if (domains.length === 0) return;
  const domain = typeof email === "string" ? email.toLowerCase().split("@").at(-1) : undefined;
  if (domain !== undefined && domains.includes(domain) && verified === true) return;
  const what = verified === true || email === undefined ? "with an address of" : "with a verified address of";
  throw new AppError(
    "ERR_FORBIDDEN",
    `Only people ${what} ${domains.join(", ")} get in by ${provider.name}.`,
    {
      remedy: "Sign in there with another account, or ask an administrator.",
    },
  );
}

function roleByGroups(provider: ProviderRow, claims: Claims): Role | null | undefined {
  if (provider.groups_claim === null) return undefined;
  const groups = textsOf(claims[provider.groups_claim]);
  const found = roleMappingOf(provider).find(({ group }) => groups.includes(group));
  return found?.role ?? provider.default_role;
}

/** A claim that is missing, or no text and no list of texts, is no group. */
function textsOf(claim: unknown): readonly string[] {
  if (typeof claim === "string") return [claim];
  return Array.isArray(claim) ? claim.filter((one) => typeof one === "string") : [];
}
