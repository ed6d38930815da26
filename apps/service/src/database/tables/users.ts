/** People, how they sign in, and what they may do. */
import type { Generated } from "kysely";
import type { Flag } from "./values.ts";

export interface UsersTable {
  readonly id: string;
  readonly name: string;
  readonly role: "administrator" | "backup-operator" | "restore-operator" | "viewer";
  /** PHC string of Argon2id; empty: none, who was invited or signs in elsewhere only. */
  readonly password: string;
  readonly password_changed_at: number;
  /** Version of the vault's `totp` of this user that signs in; null: no second factor. */
  readonly totp_version: number | null;
  /** Of a secret that was shown and is not confirmed. */
  readonly totp_pending_version: number | null;
  /** Step of the last code that was taken: it is not taken again. */
  readonly totp_last_step: Generated<number>;
  /** seal(V, `head`, `totp`, user and `totp_version`); null: no second factor. */
  readonly totp_head_box: Generated<Buffer | null>;
  readonly last_sign_in_at: Generated<number | null>;
  readonly disabled: Flag;
  readonly created_at: number;
  readonly revision: number;
}

/** Rights on secrets beyond the role. */
export interface UserRightsTable {
  readonly user_id: string;
  readonly right: string;
}

export interface SessionsTable {
  /** Hex SHA-256 of the token. */
  readonly id: string;
  readonly user_id: string;
  readonly created_at: number;
  readonly used_at: number;
  readonly expires_at: number;
  readonly address: string;
  readonly user_agent: string;
  readonly method: Generated<SignInMethod>;
  /** The last fresh sign-in at a provider that nothing has used yet. */
  readonly confirmed_at: Generated<number | null>;
}

export type SignInMethod = "password" | "passkey" | "single-sign-on" | "set-up" | "invitation";

/** Providers of single sign-on (OpenID Connect). */
export interface IdentityProvidersTable {
  readonly id: string;
  readonly name: string;
  /** URL; never changes, since subjects are those of the issuer. */
  readonly issuer: string;
  readonly client_id: string;
  /** Password of the Password Manager; null for a public client. */
  readonly secret_id: string | null;
  /** JSON: texts. */
  readonly scopes: string;
  /** Null: the provider says nothing of roles. */
  readonly groups_claim: string | null;
  /** JSON: pairs of group and role, the first that fits counts. */
  readonly role_mapping: string;
  /** Of those in no mapped group; null: they do not get in. */
  readonly default_role: UsersTable["role"] | null;
  readonly creates_users: Flag;
  /** JSON: texts; empty: any, or none. */
  readonly email_domains: string;
  readonly enabled: Flag;
  readonly created_at: number;
  readonly created_by: string;
  readonly revision: number;
}

/** Whom a provider means by a subject. */
export interface IdentitiesTable {
  readonly provider_id: string;
  readonly subject: string;
  readonly user_id: string;
  /** Whether the user was made by the first sign-in, or has linked an account. */
  readonly origin: "creation" | "link";
  /** For people: what the provider calls the account. */
  readonly label: string;
  readonly created_at: number;
  readonly used_at: number;
}

/** A browser that was sent to a provider, and is expected back. */
export interface SignInFlowsTable {
  /** Hex SHA-256 of the state. */
  readonly state_hash: string;
  /** Hex SHA-256 of the cookie that the browser has. */
  readonly browser_hash: string;
  readonly provider_id: string;
  readonly purpose: "sign-in" | "link" | "confirm";
  /** Of who links or confirms. */
  readonly session_id: string | null;
  readonly redirect_uri: string;
  readonly created_at: number;
  readonly expires_at: number;
}

/** Links with which people choose their first password. */
export interface InvitationsTable {
  readonly user_id: string;
  /** Hex SHA-256 of the token. */
  readonly hash: string;
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number;
}

export interface ApiTokensTable {
  readonly id: string;
  /** Hex SHA-256 of the token. */
  readonly hash: string;
  readonly user_id: string;
  readonly name: string;
  /** JSON: texts. */
  readonly scopes: string;
  readonly created_at: number;
  readonly used_at: number | null;
  readonly expires_at: number | null;
}

export interface PasskeysTable {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  /** base64url. */
  readonly credential_id: string;
  /** COSE. */
  readonly public_key: Buffer;
  /** Of signatures; 0 for authenticators that do not count. */
  readonly counter: number;
  readonly created_at: number;
  readonly used_at: number | null;
}

/** Single-use tokens: the first administrator's set-up, enrolment codes of devices, challenges for passkeys. */
export interface OneTimeTokensTable {
  /** Hex SHA-256 of the token. */
  readonly hash: string;
  readonly purpose: "setup" | "enrolment" | "passkey";
  readonly created_at: number;
  readonly created_by: string;
  readonly expires_at: number;
  readonly used_at: number | null;
  /** JSON. */
  readonly details: string;
}

export interface SignInFailuresTable {
  /** `name:...` or `address:...`. */
  readonly subject: string;
  readonly count: number;
  readonly last_at: number;
}
