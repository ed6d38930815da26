import process from "node:process";
import { DARWIN } from "./darwin.ts";
import type { FilePlatform } from "./file-platform.ts";
import { LINUX } from "./linux.ts";
import { OTHER } from "./other.ts";
import { WIN32 } from "./win32.ts";

const PLATFORMS: Readonly<Record<string, FilePlatform>> = { linux: LINUX, darwin: DARWIN, win32: WIN32 };

/** The module of the system this process runs on: the only place where its name is asked for. */
export function currentPlatform(): FilePlatform {
  return PLATFORMS[process.platform] ?? OTHER;
}
