/**
 * Passkeys (WebAuthn): what the browser's `navigator.credentials` takes and gives, as its `toJSON` writes it.
 *
 * @module
 */
import { z } from "zod";
import { idOf, instant, line } from "../values.ts";
import { passwordText } from "./users.ts";

const base64url = (bytesMax: number): z.ZodString =>
  z
    .string()
    .min(1)
    .max(Math.ceil((bytesMax * 4) / 3))
    .regex(/^[A-Za-z0-9_-]+$/u, "is not base64url");

export const passkeyId = idOf("pk");

export const passkey = z.object({
  id: passkeyId,
  name: z.string(),
  createdAt: instant,
  usedAt: instant.nullable(),
});
export type PasskeyView = z.infer<typeof passkey>;
export const passkeyList = z.object({ items: z.array(passkey) });

export const passkeyOptionsRequest = z.object({ password: passwordText.default("") });

/** `PublicKeyCredentialCreationOptionsJSON`. */
export const passkeyCreationOptions = z.object({
  challenge: z.string(),
  rp: z.object({ id: z.string(), name: z.string() }),
  user: z.object({ id: z.string(), name: z.string(), displayName: z.string() }),
  pubKeyCredParams: z.array(z.object({ type: z.literal("public-key"), alg: z.int() })),
  excludeCredentials: z.array(z.object({ type: z.literal("public-key"), id: z.string() })),
  authenticatorSelection: z.object({
    residentKey: z.literal("required"),
    userVerification: z.literal("required"),
  }),
  attestation: z.literal("none"),
  timeout: z.int(),
});
export type PasskeyCreationOptions = z.infer<typeof passkeyCreationOptions>;

/** `PublicKeyCredentialRequestOptionsJSON`: any passkey of this service will do. */
export const passkeyRequestOptions = z.object({
  challenge: z.string(),
  rpId: z.string(),
  userVerification: z.literal("required"),
  timeout: z.int(),
});
export type PasskeyRequestOptions = z.infer<typeof passkeyRequestOptions>;

/** Of `RegistrationResponseJSON` what is looked at. */
export const newPasskey = z.object({
  name: line(200).min(1),
  clientDataJSON: base64url(4096),
  attestationObject: base64url(8192),
});
export type NewPasskey = z.infer<typeof newPasskey>;

/** Of `AuthenticationResponseJSON` what is looked at. */
export const passkeySignIn = z.object({
  credentialId: base64url(1023),
  clientDataJSON: base64url(4096),
  authenticatorData: base64url(4096),
  signature: base64url(2048),
});
export type PasskeySignIn = z.infer<typeof passkeySignIn>;
