/** rclone with a configuration of its own, and as it is without any option. */
import { tryRun, run } from "../shell.ts";
import type { Command } from "../measure.ts";
import type { Client } from "./service.ts";

export type RcloneEnvironment = Readonly<Record<string, string>>;

/** Makes a remote with the name `peer`. */
export function rcloneEnvironment(
  settings: Readonly<Record<string, string>>,
  caFile: string,
): RcloneEnvironment {
  return {
    ...Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [`RCLONE_CONFIG_PEER_${name}`, value] as const),
    ),
    RCLONE_CONFIG: "/dev/null",
    RCLONE_CA_CERT: caFile,
    // Amazon's library in it does not bear both.
    AWS_CA_BUNDLE: "",
  };
}

/** Undefined, with a word why, when there is no rclone. */
export function rcloneClient(remote: string, env: RcloneEnvironment): Client | undefined {
  if (tryRun("rclone", ["version"]) === undefined) {
    console.error("rclone is left out: the package rclone is missing");
    return undefined;
  }
  const command = (...args: readonly string[]): Command => ({ program: "rclone", args, env });
  return {
    name: "rclone",
    prepare: () => [command("mkdir", `peer:${remote}`)],
    upload: ({ source }) => command("copy", source, `peer:${remote}`),
    download: ({ target }) => command("copy", `peer:${remote}`, target),
  };
}

/** As rclone wants passwords in its settings. */
export function obscured(password: string): string {
  return run("rclone", ["obscure", "-"], { input: password }).trim();
}

export function rcloneVersion(): string | undefined {
  return /v(\d\S+)/.exec(tryRun("rclone", ["version"]) ?? "")?.[1];
}
