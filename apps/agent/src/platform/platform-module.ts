/**
 * What one system declares of itself.
 *
 * @module
 */
import type { Disk, METHODS, Platform } from "@holdfast/protocol";

export type Method = (typeof METHODS)[number];

/** Who asks, for choosing folders. */
export interface Account {
  readonly isRoot: boolean;
  readonly home: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** One system. */
export interface PlatformModule {
  readonly system: Platform["system"];
  /** Methods of encryption that backups and restores on it support. */
  readonly methods: readonly Method[];
  /** Permission bits and owners of files say who can read them. */
  readonly hasModes: boolean;
  /** What it has of disks now; none where the system does not say. Never throws. */
  readonly disks: () => Promise<readonly Disk[]>;
  readonly stateDir: (account: Account) => string;
}
