/** Every kind of damage to repositories with AES-CBC and HMAC, and to those that are not encrypted. */
import { SUITES } from "@holdfast/crypto";
import { testDamage } from "./damage-suite.ts";

testDamage(SUITES.filter(({ method }) => method !== "gcm"));
