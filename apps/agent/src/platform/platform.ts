/**
 * What differs between the systems an agent runs on, as declared capabilities: nothing else asks for the system's name.
 *
 * @module
 */
import { arch, homedir, hostname, release } from "node:os";
import process from "node:process";
import type { Platform } from "@holdfast/protocol";
import { DARWIN } from "./darwin.ts";
import { LINUX } from "./linux.ts";
import { OTHER } from "./other.ts";
import type { PlatformModule } from "./platform-module.ts";
import { WIN32 } from "./win32.ts";

export interface AgentPlatform {
  readonly module: PlatformModule;
  readonly description: Platform;
}

const MODULES: Readonly<Record<string, PlatformModule>> = { linux: LINUX, darwin: DARWIN, win32: WIN32 };

export function currentPlatform(): AgentPlatform {
  return platformOf(MODULES[process.platform] ?? OTHER);
}

/** This machine as if it ran another system; for tests. */
export function platformOf(module: PlatformModule): AgentPlatform {
  const { system } = module;
  return {
    module,
    description: { system, release: release(), architecture: arch(), hostname: hostname().slice(0, 253) },
  };
}

/** Where an agent that is told nothing else keeps its identity. */
export function defaultStateDir(platform: AgentPlatform = currentPlatform()): string {
  const isRoot = process.getuid?.() === 0;
  return platform.module.stateDir({ isRoot, home: homedir(), environment: process.env });
}
