import { join } from "node:path";
import type { PlatformModule } from "./platform-module.ts";

export const LINUX: PlatformModule = {
  system: "linux",
  methods: ["gcm", "cbc"],
  hasModes: true,
  stateDir: ({ isRoot, home, environment }) => {
    if (isRoot) return "/var/lib/holdfast/agent";
    const base = environment["XDG_STATE_HOME"];
    return join(base === undefined || base === "" ? join(home, ".local/state") : base, "holdfast/agent");
  },
};
