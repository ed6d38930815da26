/**
 * Single sign-on over the API: providers (OpenID Connect), signing in by them, accounts that are linked with a user.
 *
 * The browser is sent to the `url` that a start answers, and comes back to the page `/sign-in/single-sign-on` of the console, which
 * sends the query that it came with to the callback.
 *
 * @module
 */
import { z } from "zod";
import { count, idOf, instant, line, secretId } from "../values.ts";
import { session } from "./session.ts";
import { passwordText, role } from "./users.ts";

export const identityProviderId = idOf("idp");

/** URL of an issuer (OpenID Connect Core, section 2): `https://`, for a provider on the service's own machine also `http://`. */
const issuer = z.string().min(8).max(500);
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/u, "is no scope");
const claim = line(200).min(1);
const emailDomain = z
  .string()
  .max(253)
  .regex(/^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+$/u, "is no domain in small letters");

const roleMapping = z
  .array(z.object({ group: line(300).min(1), role }))
  .max(200)
  .refine((pairs) => new Set(pairs.map(({ group }) => group)).size === pairs.length, "names a group twice");

const fields = {
  name: line(100).min(1),
  clientId: line(500).min(1),
  /** A password of the Password Manager; null for a client that has none (PKCE is used always). */
  secret: secretId.nullable(),
  /** `openid` is asked for always. */
  scopes: z.array(scope).max(20),
  /** The claim with the groups of a person; null: the provider has no say in roles. */
  groupsClaim: claim.nullable(),
  /** The first group that a person is in decides. */
  roleMapping,
  /** Of people in no mapped group, and of new ones without `groupsClaim`; null: they do not get in. */
  defaultRole: role.nullable(),
  /** Whether the first sign-in of somebody unknown makes a user. */
  createsUsers: z.boolean(),
  /** Not empty: only people with a verified e-mail address in one of them. */
  emailDomains: z.array(emailDomain).max(50),
  enabled: z.boolean(),
};

export const newIdentityProvider = z.object({
  ...fields,
  issuer,
  secret: fields.secret.default(null),
  scopes: fields.scopes.default(["openid", "profile", "email"]),
  groupsClaim: fields.groupsClaim.default(null),
  roleMapping: roleMapping.default([]),
  defaultRole: fields.defaultRole.default(null),
  createsUsers: fields.createsUsers.default(false),
  emailDomains: fields.emailDomains.default([]),
  enabled: fields.enabled.default(true),
});
export type NewIdentityProvider = z.infer<typeof newIdentityProvider>;

/** The issuer stays: another one has other people. */
export const identityProviderChange = z.object(fields).partial();
export type IdentityProviderChange = z.infer<typeof identityProviderChange>;

export const identityProvider = z.object({
  id: identityProviderId,
  name: z.string(),
  issuer: z.string(),
  clientId: z.string(),
  secret: secretId.nullable(),
  scopes: z.array(z.string()),
  groupsClaim: z.string().nullable(),
  roleMapping: z.array(z.object({ group: z.string(), role })),
  defaultRole: role.nullable(),
  createsUsers: z.boolean(),
  emailDomains: z.array(z.string()),
  enabled: z.boolean(),
  /** To be registered at the provider: the address under which this request came, and the page that people come back to. */
  redirectUri: z.string(),
  /** Users who have signed in or are linked. */
  users: count,
  createdAt: instant,
  revision: count,
});
export type IdentityProviderView = z.infer<typeof identityProvider>;

/** What the provider says of itself, and what of it does not fit. */
export const identityProviderTest = z.object({
  ok: z.boolean(),
  /** Plain sentences; empty when all is well. */
  problems: z.array(z.string()),
  authorizationEndpoint: z.string().optional(),
  tokenEndpoint: z.string().optional(),
  userinfoEndpoint: z.string().optional(),
  signingKeys: count.optional(),
});
export type IdentityProviderTest = z.infer<typeof identityProviderTest>;

/** For the page to sign in: those that are enabled. */
export const signInProviders = z.object({
  items: z.array(z.object({ id: identityProviderId, name: z.string() })),
});

export const singleSignOnStart = z.object({ provider: identityProviderId });
export const linkStart = z.object({ provider: identityProviderId, password: passwordText.default("") });
export const confirmationStart = z.object({
  /** Default: the one that this user is linked with, if there is one only. */
  provider: identityProviderId.optional(),
});

/** Where the browser goes next. */
export const singleSignOnUrl = z.object({ url: z.string() });

export const singleSignOnCallback = z.object({
  /** Of the address that the browser came back to, from `?` on. */
  query: z.string().min(1).max(8000),
});

export const singleSignOnResult = z.object({
  /** What was begun: `sign-in`, `link` an account, or `confirm` who sits there. */
  purpose: z.enum(["sign-in", "link", "confirm"]),
  /** Of a sign-in. */
  session: session.optional(),
});
export type SingleSignOnResult = z.infer<typeof singleSignOnResult>;

/** An account at a provider that signs in as this user. */
export const identity = z.object({
  provider: identityProviderId,
  providerName: z.string(),
  /** What the provider calls the account. */
  label: z.string(),
  createdAt: instant,
  usedAt: instant,
});
export type IdentityView = z.infer<typeof identity>;
export const identityList = z.object({ items: z.array(identity) });
