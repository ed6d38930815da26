/**
 * Session keys: made by a writer, sealed to the repository's public key, opened by a reader (docs/format.md,
 * section 3.6).
 *
 * @module
 */
import {
  type FrameKeys,
  frameKeys,
  openWithPrivateKey,
  type Suite,
  sealToPublicKey,
  suiteByCode,
} from "@holdfast/crypto";
import { damaged, isAppError, type Randomness, systemRandomness, VERIFY_DATA_REMEDY } from "@holdfast/kernel";
import { ENVELOPE_BYTES, SESSION_ID_BYTES } from "./pack-format.ts";

export const SESSION_KEY_BYTES = 32;

export interface NewSessionKey {
  readonly session: Buffer;
  /** The data key; wipe it when the session ends. */
  readonly sessionKey: Buffer;
  readonly envelope: Buffer;
}

export function newSessionKey(
  repository: Buffer,
  publicKey: Buffer,
  randomness: Randomness = systemRandomness,
): NewSessionKey {
  const session = randomness(Buffer.alloc(SESSION_ID_BYTES));
  const sessionKey = randomness(Buffer.alloc(SESSION_KEY_BYTES));
  const sealed = sealToPublicKey(publicKey, envelopeContext(repository, session), sessionKey);
  const envelope = Buffer.concat([session, sealed]);
  if (envelope.length !== ENVELOPE_BYTES) throw new Error("a session envelope has a wrong length");
  return { session, sessionKey, envelope };
}

/**
 * The session key in an envelope.
 *
 * @param where the object it stands in, for errors.
 * @throws AppError `ERR_DAMAGED`: the private seed is known to be right, so an envelope that does not open is damaged.
 */
export function openEnvelope(
  envelope: Buffer,
  repository: Buffer,
  privateSeed: Buffer,
  where: string,
): Buffer {
  const session = envelope.subarray(0, SESSION_ID_BYTES);
  const context = envelopeContext(repository, session);
  const what = `A session key in ${where}`;
  try {
    return openWithPrivateKey(privateSeed, context, envelope.subarray(SESSION_ID_BYTES), what);
  } catch (error) {
    if (!isAppError(error)) throw error;
    throw damaged(what, "it does not open", { subject: where, remedy: VERIFY_DATA_REMEDY, cause: error });
  }
}

/** Opened session keys by session id, so that each envelope is opened once. */
export class SessionKeyring {
  readonly #repository: Buffer;
  readonly #privateSeed: Buffer;
  readonly #sessionKeys = new Map<string, Buffer>();
  readonly #frameKeys = new Map<string, FrameKeys>();

  constructor(repository: Buffer, privateSeed: Buffer) {
    this.#repository = repository;
    this.#privateSeed = privateSeed;
  }

  has(session: Buffer): boolean {
    return this.#sessionKeys.has(session.toString("hex"));
  }

  /** Opens the envelopes that are new. @throws AppError `ERR_DAMAGED`. */
  add(envelopes: readonly Buffer[], where: string): void {
    for (const envelope of envelopes) {
      const id = envelope.toString("hex", 0, SESSION_ID_BYTES);
      if (this.#sessionKeys.has(id)) continue;
      this.#sessionKeys.set(id, openEnvelope(envelope, this.#repository, this.#privateSeed, where));
    }
  }

  sessionKey(session: Buffer): Buffer | undefined {
    return this.#sessionKeys.get(session.toString("hex"));
  }

  /** @throws AppError `ERR_DAMAGED` when the pack that `what` lies in did not bring this session's key. */
  frameKeys(session: Buffer, suiteCode: number, what: string): FrameKeys {
    const id = `${session.toString("hex")}/${String(suiteCode)}`;
    const known = this.#frameKeys.get(id);
    if (known !== undefined) return known;
    const sessionKey = this.sessionKey(session);
    if (sessionKey === undefined) throw damaged(what, "the key of its session is missing");
    const suite: Suite = suiteByCode(suiteCode);
    const keys = frameKeys(suite, sessionKey, this.#repository);
    this.#frameKeys.set(id, keys);
    return keys;
  }

  wipe(): void {
    for (const key of this.#sessionKeys.values()) key.fill(0);
    this.#sessionKeys.clear();
    this.#frameKeys.clear();
  }
}

function envelopeContext(repository: Buffer, session: Buffer): Buffer {
  return Buffer.concat([Buffer.from("holdfast/1/session", "latin1"), repository, session]);
}
