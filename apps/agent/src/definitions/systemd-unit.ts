/**
 * The agent as a service of systemd: systemd.service(5), systemd.exec(5).
 *
 * @module
 */
import { commandOf, type Installation, RESTART_SECONDS, STOP_SECONDS } from "./installation.ts";

/**
 * A unit for `/etc/systemd/system/holdfast-agent.service`. It runs as root, since it reads every file; what it does not need for
 * that, and for writing restored files, is taken from it.
 */
export function systemdUnit(installation: Installation): string {
  return `[Unit]
Description=Holdfast agent
Documentation=man:holdfast(1)
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
ExecStart=${commandOf(installation).map(systemdWord).join(" ")}
Restart=on-failure
RestartSec=${String(RESTART_SECONDS)}
TimeoutStopSec=${String(STOP_SECONDS)}
KillMode=mixed
UMask=0077
Nice=5
IOSchedulingClass=best-effort
IOSchedulingPriority=7
OOMScoreAdjust=200

# Restores may write anywhere, and owners, modes and attributes with it; commands around backups may change their user.
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_CHOWN CAP_FSETID CAP_MKNOD CAP_SETFCAP CAP_SYS_ADMIN CAP_SETUID CAP_SETGID
NoNewPrivileges=yes
LimitCORE=0
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictRealtime=yes
RestrictNamespaces=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service @file-system mknod mknodat
SystemCallErrorNumber=EPERM
# Restored special permissions are what a restore is for.
RestrictSUIDSGID=no
# V8 compiles while it runs.
MemoryDenyWriteExecute=no

[Install]
WantedBy=multi-user.target
`;
}

/** systemd.service(5), "Command lines": quotes, C escapes, and `%` and `$` doubled. */
export function systemdWord(word: string): string {
  const escaped = word.replaceAll("%", "%%").replaceAll("$", "$$$$");
  if (/^[\w@%+=:,./-]+$/u.test(word)) return escaped;
  return `"${escaped.replaceAll("\\", "\\\\").replaceAll('"', String.raw`\"`)}"`;
}
