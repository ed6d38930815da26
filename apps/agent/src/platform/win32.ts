import { win32 } from "node:path";
import { windowsDisks } from "./win32-disks.ts";
import type { PlatformModule } from "./platform-module.ts";

export const WIN32: PlatformModule = {
  system: "win32",
  methods: ["gcm", "cbc"],
  // Node.js shows no access lists; the folder inherits those of ProgramData, which docs/agent.md says to narrow.
  hasModes: false,
  disks: () => windowsDisks(),
  stateDir: ({ home, environment }) => {
    const base = environment["ProgramData"];
    return win32.join(base === undefined || base === "" ? home : base, "Holdfast", "agent");
  },
};
