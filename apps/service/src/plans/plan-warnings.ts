/**
 * What will go wrong with a plan, known while it is set up: devices that do not have its encryption method. Which ones they
 * are is what the devices announced, not what they are called (PRODUCT.md, promise 5).
 *
 * @module
 */
import type { Encryption, PlanView } from "@holdfast/protocol";
import { z } from "zod";

export interface PlannedDevice {
  readonly id: string;
  readonly name: string;
  /** JSON: what it announced. */
  readonly methods: string;
}

const texts = z.array(z.string());

export function warningsOf(
  devices: readonly PlannedDevice[],
  encryption: Encryption | null,
): PlanView["warnings"] {
  if (encryption === null) return [];
  const { method } = encryption;
  return devices
    .filter(({ methods }) => !texts.parse(JSON.parse(methods)).includes(method))
    .map(({ id, name }) => ({
      code: "ERR_METHOD_UNSUPPORTED",
      device: id,
      message: `The device ${name} does not support AES-${method.toUpperCase()}: its backups and restores by this plan will fail.`,
      remedy:
        method === "gcm"
          ? "Choose AES-CBC for a plan with this device, or make a plan of its own for it."
          : "Make a plan of its own for this device, with a method that it supports.",
    }));
}
