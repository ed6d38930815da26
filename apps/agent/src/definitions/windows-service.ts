/**
 * The agent on Windows, as text for PowerShell. A program of Node.js does not speak the protocol of the Service Control Manager, so
 * the agent is a task of the Task Scheduler that starts with the machine, runs as SYSTEM and is started again when it fails
 * (Task Scheduler schema, `BootTrigger`, `RestartOnFailure`).
 *
 * @module
 */
import { commandOf, type Installation } from "./installation.ts";

export const WINDOWS_TASK_NAME = "Holdfast agent";
/** The Task Scheduler takes no less. */
const RESTART = "PT1M";
const RESTARTS_MAX = 999;

/** A script that makes the task, to be run by an administrator. It also takes the state folder from everybody else. */
export function windowsServiceScript(installation: Installation): string {
  const [program = "", ...words] = commandOf(installation);
  const { stateDir } = installation;
  return [
    "#Requires -RunAsAdministrator",
    '$ErrorActionPreference = "Stop"',
    `$state = ${powerShellText(stateDir)}`,
    "New-Item -ItemType Directory -Force -Path $state | Out-Null",
    // SYSTEM and Administrators by their numbers: their names are translated.
    'icacls $state /inheritance:r /grant "*S-1-5-18:(OI)(CI)F" "*S-1-5-32-544:(OI)(CI)F" | Out-Null',
    `$action = New-ScheduledTaskAction -Execute ${powerShellText(program)} -Argument ${powerShellText(words.map(windowsWord).join(" "))}`,
    "$trigger = New-ScheduledTaskTrigger -AtStartup",
    '$principal = New-ScheduledTaskPrincipal -UserId "S-1-5-18" -LogonType ServiceAccount -RunLevel Highest',
    "$settings = New-ScheduledTaskSettingsSet -ExecutionTimeLimit ([TimeSpan]::Zero) -MultipleInstances IgnoreNew `",
    "  -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -StartWhenAvailable `",
    `  -RestartInterval ([System.Xml.XmlConvert]::ToTimeSpan("${RESTART}")) -RestartCount ${String(RESTARTS_MAX)}`,
    `Register-ScheduledTask -TaskName ${powerShellText(WINDOWS_TASK_NAME)} -Action $action -Trigger $trigger \``,
    "  -Principal $principal -Settings $settings -Force | Out-Null",
    `Start-ScheduledTask -TaskName ${powerShellText(WINDOWS_TASK_NAME)}`,
    "",
  ].join("\r\n");
}

/** about_Quoting_Rules: in single quotes only the quote itself means something. */
function powerShellText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** As CommandLineToArgvW reads it: backslashes count only before a quote. */
function windowsWord(word: string): string {
  if (/^[^\s"]+$/u.test(word)) return word;
  const escaped = word.replaceAll(/(\\*)"/gu, String.raw`$1$1\"`).replace(/(\\+)$/u, "$1$1");
  return `"${escaped}"`;
}
