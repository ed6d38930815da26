/**
 * The management service as a service of systemd: systemd.service(5), systemd.exec(5).
 *
 * @module
 */
import { systemdWord } from "@holdfast/agent";
import { UNLOCK_CREDENTIAL } from "./unlock-passphrase.ts";

export interface ServiceInstallation {
  readonly program: string;
  /** Up to and with the main module. */
  readonly programArguments: readonly string[];
  readonly data: string;
  readonly unlockFile: string;
  readonly listen: string;
  /** As given; undefined for SQLite in the data folder. */
  readonly database: string | undefined;
  readonly unlockWith: "file" | "passphrase";
}

/** A network file system is slow to close, and requests that run are answered first. */
const STOP_SECONDS = 90;
const RESTART_SECONDS = 5;

/**
 * A unit for `/etc/systemd/system/holdfast.service`. It runs as a user of its own, which may write to its data and the folder of its
 * unlock file and nowhere else.
 */
export function serviceUnit(installation: ServiceInstallation): string {
  const { data, unlockFile, unlockWith } = installation;
  const folders = [data, unlockFile.replace(/\/[^/]*$/u, "") || "/"].map(systemdWord).join(" ");
  const credential =
    unlockWith === "passphrase"
      ? `LoadCredentialEncrypted=${UNLOCK_CREDENTIAL}:/etc/credstore.encrypted/${UNLOCK_CREDENTIAL}\n`
      : "";
  return `[Unit]
Description=Holdfast management service
Documentation=man:holdfast(1)
Wants=network-online.target
After=network-online.target postgresql.service

[Service]
Type=exec
User=holdfast
Group=holdfast
ExecStart=${commandOf(installation).map(systemdWord).join(" ")}
${credential}Restart=on-failure
RestartSec=${String(RESTART_SECONDS)}
TimeoutStopSec=${String(STOP_SECONDS)}
KillMode=mixed
UMask=0077
LimitCORE=0
LimitNOFILE=65536

# Storages that are folders of this machine are written by the service's worker: add them here.
ReadWritePaths=${folders}
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
CapabilityBoundingSet=
NoNewPrivileges=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
RestrictRealtime=yes
RestrictNamespaces=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# V8 compiles while it runs.
MemoryDenyWriteExecute=no

[Install]
WantedBy=multi-user.target
`;
}

function commandOf(installation: ServiceInstallation): readonly string[] {
  const { program, programArguments, data, unlockFile, listen, database, unlockWith } = installation;
  return [
    program,
    ...programArguments,
    "serve",
    "--data",
    data,
    "--unlock-file",
    unlockFile,
    "--listen",
    listen,
    ...(database === undefined ? [] : ["--database", database]),
    ...(unlockWith === "file" ? [] : ["--unlock-with", unlockWith]),
  ];
}

/** What to do before and with it, as commands of an administrator. */
export function serviceCommands({ data, unlockFile, unlockWith }: ServiceInstallation): readonly string[] {
  const keys = unlockFile.replace(/\/[^/]*$/u, "") || "/";
  return [
    "useradd --system --home-dir / --shell /usr/sbin/nologin holdfast",
    `install -d -m 700 -o holdfast -g holdfast ${data} ${keys}`,
    ...(unlockWith === "passphrase"
      ? [
          `systemd-ask-password -n | systemd-creds encrypt --name=${UNLOCK_CREDENTIAL} - /etc/credstore.encrypted/${UNLOCK_CREDENTIAL}`,
        ]
      : []),
    "systemctl daemon-reload",
    "systemctl enable --now holdfast",
  ];
}
