/**
 * An authenticator and its browser in software: makes passkeys and signs with them, honestly unless told otherwise.
 */
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";

export interface Lies {
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly challenge?: string;
  readonly flags?: number;
  readonly counter?: number;
  readonly crossOrigin?: boolean;
}

export interface Authenticator {
  readonly credentialId: string;
  readonly create: (challenge: string, lies?: Lies) => { clientDataJSON: string; attestationObject: string };
  readonly get: (
    challenge: string,
    lies?: Lies,
  ) => { credentialId: string; clientDataJSON: string; authenticatorData: string; signature: string };
}

const ORIGIN = "https://service.test";
const RP_ID = "service.test";
/** User present and verified. */
export const VERIFIED = 1 | 4;
const CREDENTIAL_INCLUDED = 64;

const sha256 = (bytes: string | Buffer): Buffer => createHash("sha256").update(bytes).digest();

export function softwareAuthenticator(): Authenticator {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const id = randomBytes(32);
  let counter = 0;

  const clientData = (type: string, challenge: string, lies: Lies): Buffer =>
    Buffer.from(
      JSON.stringify({
        type: lies.type ?? type,
        challenge: lies.challenge ?? challenge,
        origin: lies.origin ?? ORIGIN,
        crossOrigin: lies.crossOrigin ?? false,
        other_keys_can_be_added_here: "do not compare clientDataJSON against a template",
      }),
    );
  const authenticatorData = (lies: Lies, more: number): Buffer => {
    counter += 1;
    const end = Buffer.alloc(5);
    end.writeUInt8((lies.flags ?? VERIFIED) | more, 0);
    end.writeUInt32BE(lies.counter ?? counter, 1);
    return Buffer.concat([sha256(lies.rpId ?? RP_ID), end]);
  };
  // COSE key: {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
  const coseKey = Buffer.concat([
    Buffer.from("a5010203262001215820", "hex"),
    Buffer.from(x, "base64url"),
    Buffer.from("225820", "hex"),
    Buffer.from(y, "base64url"),
  ]);

  return {
    credentialId: id.toString("base64url"),
    create: (challenge, lies = {}) => {
      const data = Buffer.concat([
        authenticatorData(lies, CREDENTIAL_INCLUDED),
        Buffer.alloc(16),
        Buffer.from([0, id.length]),
        id,
        coseKey,
      ]);
      // {"fmt": "none", "attStmt": {}, "authData": bytes}.
      const object = Buffer.concat([
        Buffer.from("a363666d74646e6f6e656761747453746d74a068617574684461746158", "hex"),
        Buffer.from([data.length]),
        data,
      ]);
      return {
        clientDataJSON: clientData("webauthn.create", challenge, lies).toString("base64url"),
        attestationObject: object.toString("base64url"),
      };
    },
    get: (challenge, lies = {}) => {
      const json = clientData("webauthn.get", challenge, lies);
      const data = authenticatorData(lies, 0);
      return {
        credentialId: id.toString("base64url"),
        clientDataJSON: json.toString("base64url"),
        authenticatorData: data.toString("base64url"),
        signature: sign("sha256", Buffer.concat([data, sha256(json)]), privateKey).toString("base64url"),
      };
    },
  };
}
