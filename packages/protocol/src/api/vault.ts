/**
 * The vault over the API: how it is opened, its keyring, its recovery kit.
 *
 * @module
 */
import { z } from "zod";
import { count, idOf, instant, line } from "../values.ts";

export const slotId = idOf("slot");

/** Absent of who has none: `POST /session/confirmation` takes its place. */
const ownPassword = z.string().max(1024).default("");

export const vaultSlot = z.object({
  id: slotId,
  kind: z.enum(["file", "passphrase", "recovery"]),
  label: z.string(),
  createdAt: instant,
  /** A recovery kit that nobody has confirmed yet. */
  pending: z.boolean(),
});
export type VaultSlot = z.infer<typeof vaultSlot>;

/** What the present set-up gives, to be said plainly. */
export const vaultStatus = z.object({
  /** Hex. */
  id: z.string(),
  createdAt: instant,
  slots: z.array(vaultSlot),
  keyring: z.object({ current: count, terms: count, createdAt: instant }),
  recoveryKit: z.boolean(),
  /** Encrypted repositories, and those of them that the kit in use opens once their next backup has run. */
  repositories: z.object({ encrypted: count, recoverable: count }),
  /** `serve` starts without a person. */
  unattendedStart: z.boolean(),
  /** Whoever takes the whole machine, with the unlock file, gets no secret. */
  safeWithoutMachine: z.boolean(),
  /** The loss of the unlock file does not lose the secrets. */
  safeWithoutUnlockFile: z.boolean(),
});
export type VaultStatus = z.infer<typeof vaultStatus>;

const PASSPHRASE_MIN = 12;
export const newVaultSlot = z.object({
  label: line(200).min(1),
  passphrase: z.string().min(PASSPHRASE_MIN).max(1024),
  confirmation: z.string().max(1024),
  password: ownPassword,
});
export type NewVaultSlot = z.infer<typeof newVaultSlot>;

export const rotation = z.object({ term: count, moved: count });

export const vaultVerification = z.object({
  values: count,
  problems: z.array(z.object({ subject: z.string(), reason: z.string() })),
});

export const kitRequest = z.object({ password: ownPassword });

/** Shown and printed once: the service does not keep it. */
export const newKit = z.object({
  id: slotId,
  /** As docs/format.md has it: four lines. */
  text: z.string(),
  /** Of the vault, hex: to be printed with it. */
  vault: z.string(),
  createdAt: instant,
  /** Which two groups are to be typed back, from 1; the last group of a line is its checksum. */
  groups: z.array(z.object({ line: z.int().min(1).max(3), group: z.int().min(1).max(4) })).length(2),
});
export type NewKit = z.infer<typeof newKit>;

export const kitConfirmation = z.union([
  z.object({ groups: z.tuple([z.string().max(20), z.string().max(20)]) }),
  /** Knowingly. */
  z.object({ skip: z.literal(true) }),
]);
export type KitConfirmation = z.infer<typeof kitConfirmation>;

export const kitInUse = z.object({
  /** Repositories that got a slot for the kit: their next backup stores it. */
  repositories: count,
});
