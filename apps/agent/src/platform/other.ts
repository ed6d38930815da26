import { join } from "node:path";
import type { PlatformModule } from "./platform-module.ts";

/** Systems that nobody has tried. */
export const OTHER: PlatformModule = {
  system: "other",
  methods: ["gcm", "cbc"],
  hasModes: true,
  disks: () => Promise.resolve([]),
  stateDir: ({ isRoot, home }) => (isRoot ? "/var/db/holdfast/agent" : join(home, ".holdfast/agent")),
};
