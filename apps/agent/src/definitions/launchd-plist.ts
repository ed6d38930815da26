/**
 * The agent as a daemon of launchd: launchd.plist(5).
 *
 * @module
 */
import { commandOf, type Installation, RESTART_SECONDS, STOP_SECONDS } from "./installation.ts";

export const LAUNCHD_LABEL = "holdfast.agent";

/** A property list for `/Library/LaunchDaemons/holdfast.agent.plist`, owned by root and writable by nobody else. */
export function launchdPlist(installation: Installation): string {
  const words = commandOf(installation).map((word) => `    <string>${escapeXml(word)}</string>`);
  const log = "/Library/Logs/holdfast-agent.log";
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${LAUNCHD_LABEL}</string>
  <key>ProgramArguments</key>
  <array>
${words.join("\n")}
  </array>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>${String(RESTART_SECONDS)}</integer>
  <key>ExitTimeOut</key>
  <integer>${String(STOP_SECONDS)}</integer>
  <key>ProcessType</key>
  <string>Background</string>
  <key>LowPriorityIO</key>
  <true/>
  <key>Umask</key>
  <integer>63</integer>
  <key>HardResourceLimits</key>
  <dict>
    <key>Core</key>
    <integer>0</integer>
  </dict>
  <key>StandardOutPath</key>
  <string>${log}</string>
  <key>StandardErrorPath</key>
  <string>${log}</string>
</dict>
</plist>
`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"']/gu, (character) => ENTITIES[character] ?? character);
}
