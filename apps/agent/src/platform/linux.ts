import { join } from "node:path";
import { linuxDisks } from "./linux-disks.ts";
import type { PlatformModule } from "./platform-module.ts";

export const LINUX: PlatformModule = {
  system: "linux",
  methods: ["gcm", "cbc"],
  hasModes: true,
  disks: () => Promise.resolve(linuxDisks()),
  stateDir: ({ isRoot, home, environment }) => {
    if (isRoot) return "/var/lib/holdfast/agent";
    const base = environment["XDG_STATE_HOME"];
    return join(base === undefined || base === "" ? join(home, ".local/state") : base, "holdfast/agent");
  },
};
