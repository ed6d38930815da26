/** Every kind of damage to repositories with AES-GCM. */
import { SUITES } from "@holdfast/crypto";
import { testDamage } from "./damage-suite.ts";

testDamage(SUITES.filter(({ method }) => method === "gcm"));
