/**
 * How the domains test a new value of a password at the places where it is used (`secret-uses.ts`), before it replaces the old
 * one.
 *
 * @module
 */
import type { SecretUse } from "@holdfast/protocol";
import type { Db, Transaction } from "../database/database.ts";

export interface WantedTest {
  readonly use: SecretUse;
  readonly proposalId: string;
  readonly createdBy: string;
}

interface PlaceTestCommon {
  /** Everything that decides who would be shown the value: a test of it counts for this place only. */
  readonly placeOf: (db: Db, use: SecretUse) => Promise<string>;
}

/** By a task of a device, whose lease alone has the new value: see `proposed-value.ts`. */
export interface DeviceTest extends PlaceTestCommon {
  readonly by: "device";
  /** Makes the task, and returns its id. @throws AppError: it cannot be tested now. */
  readonly start: (transaction: Transaction, wanted: WantedTest) => Promise<string>;
}

/** By the service itself, such as signing in to a mail server. */
export interface ServiceTest extends PlaceTestCommon {
  readonly by: "service";
  /** @throws AppError when the value was refused there, or the place cannot be asked. It never has the value in it. */
  readonly run: (use: SecretUse, secretId: string, value: Uint8Array) => Promise<void>;
}

export type PlaceTest = DeviceTest | ServiceTest;

/** By the kind of the use. A kind without one cannot be tested: that is said, and counts as not passed. */
export type PlaceTests = Readonly<Record<string, PlaceTest>>;
