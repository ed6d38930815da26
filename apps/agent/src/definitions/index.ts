// How the service managers of the systems start an agent.
import type { AgentPlatform } from "../platform/platform.ts";
import type { Installation } from "./installation.ts";
import { LAUNCHD_LABEL, launchdPlist } from "./launchd-plist.ts";
import { systemdUnit } from "./systemd-unit.ts";
import { windowsServiceScript } from "./windows-service.ts";

export interface ServiceDefinition {
  /** Where it belongs; a script belongs nowhere. */
  readonly path: string | undefined;
  readonly text: string;
  /** What to do with it, as commands of an administrator. */
  readonly commands: readonly string[];
}

/** Undefined for systems whose service manager is not known. */
export function serviceDefinition(
  system: AgentPlatform["module"]["system"],
  installation: Installation,
): ServiceDefinition | undefined {
  switch (system) {
    case "linux":
      return {
        path: "/etc/systemd/system/holdfast-agent.service",
        text: systemdUnit(installation),
        commands: ["systemctl daemon-reload", "systemctl enable --now holdfast-agent"],
      };
    case "darwin": {
      const path = `/Library/LaunchDaemons/${LAUNCHD_LABEL}.plist`;
      return { path, text: launchdPlist(installation), commands: [`launchctl bootstrap system ${path}`] };
    }
    case "win32":
      return {
        path: undefined,
        text: windowsServiceScript(installation),
        commands: [String.raw`powershell -ExecutionPolicy Bypass -File .\holdfast-agent.ps1`],
      };
    case "other":
      return undefined;
    default:
      return system satisfies never;
  }
}
