/**
 * Calls of Windows PowerShell 5.1, which every Windows has. Scripts are fixed texts; values reach them as variables of the
 * environment.
 *
 * @module
 */
import { win32 } from "node:path";
import process from "node:process";
import type { ToolCall } from "./tool-runner.ts";

/** What goes wrong ends the script; what it prints is nothing but its own, and UTF-8 where there is a console. */
const START =
  "$ErrorActionPreference = 'Stop'; $ProgressPreference = 'SilentlyContinue'; try { [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false } catch { }; ";

export function powerShell(
  script: string,
  variables: Readonly<Record<string, string>>,
  timeoutMs: number,
): ToolCall {
  const root = process.env["SystemRoot"] ?? "C:\\Windows";
  return {
    program: win32.join(root, "System32", "WindowsPowerShell", "v1.0", "powershell.exe"),
    words: ["-NoLogo", "-NoProfile", "-NonInteractive", "-Command", START + script],
    variables,
    timeoutMs,
  };
}
