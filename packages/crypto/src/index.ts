// The public surface of this package.
export { canonicalBase32 } from "./base32.ts";
export { type Cbor, decodeCbor } from "./cbor.ts";
export { COSE_ALGORITHMS, coseKeyLength, verifyCoseSignature } from "./cose.ts";
export { FRAME_BOX_OVERHEAD_BYTES, openNonce, sealNonce } from "./frame-box.ts";
export {
  type FrameKeys,
  frameKeys,
  openFrame,
  plaintextLengthMax,
  sealedLength,
  sealFrame,
} from "./frames.ts";
export { deriveKey, hkdfExpand, hkdfExtract } from "./hkdf.ts";
export { KEM_BOX_OVERHEAD_BYTES, openWithPrivateKey, sealToPublicKey } from "./kem-box.ts";
export { formatRecoveryKey, generatePassphrase, isRecoveryKeyText, parseRecoveryKey } from "./key-text.ts";
export { chunkIdHasher, HASH_BYTES, hmacSha256, sha256 } from "./mac.ts";
export {
  ARGON2_DEFAULT,
  type Argon2Parameters,
  checkArgon2Parameters,
  stretchBeside,
  stretchPassphrase,
} from "./passphrase.ts";
export { hashPassword, isHashOutdated, verifyPassword } from "./password-hash.ts";
export { BOX_OVERHEAD_BYTES, openBox, openSecretBox, sealBox } from "./sealed-box.ts";
export { secretBuffer, SecretBytes } from "./secret.ts";
export { SIGNING_SEED_BYTES, type SigningKey, signingKeyFromSeed, verifySignature } from "./signing.ts";
export { type Level, type Method, SUITE_NONE, SUITES, type Suite, suiteByCode, suiteFor } from "./suites.ts";
export { encodeTotpSecret, TOTP_SECRET_BYTES, totpCode, totpStepOf } from "./totp.ts";
export {
  decapsulate,
  encapsulate,
  KEM_CIPHERTEXT_BYTES,
  KEM_PUBLIC_KEY_BYTES,
  KEM_SEED_BYTES,
  keyPairFromSeed,
} from "./x-wing.ts";
