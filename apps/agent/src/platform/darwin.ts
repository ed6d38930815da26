import { join } from "node:path";
import { darwinDisks } from "./darwin-disks.ts";
import type { PlatformModule } from "./platform-module.ts";

/** Without AES-GCM: a task that needs it fails before anything is read or written. */
export const DARWIN: PlatformModule = {
  system: "darwin",
  methods: ["cbc"],
  hasModes: true,
  disks: () => darwinDisks(),
  stateDir: ({ isRoot, home }) => join(isRoot ? "/" : home, "Library/Application Support/Holdfast/agent"),
};
