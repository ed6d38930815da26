/**
 * Runs a tool of the system: by its full path, without a shell, for a limited time, with bounded output.
 *
 * @module
 */
import { execFile } from "node:child_process";
import process from "node:process";

export interface ToolCall {
  /** Full path. */
  readonly program: string;
  readonly words: readonly string[];
  /** What the tool may know besides the system's own variables: values never stand in a script. */
  readonly variables?: Readonly<Record<string, string>>;
  /** What it reads; nothing without it. */
  readonly input?: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ToolResult {
  /** 0 when all went well; undefined when the tool could not be started, or was ended. */
  readonly code: number | undefined;
  readonly output: string;
  /** What went wrong, in one line; empty when nothing did. */
  readonly problem: string;
}

/** Never throws. */
export type ToolRunner = (call: ToolCall) => Promise<ToolResult>;

const OUTPUT_BYTES_MAX = 256 * 1024;
const PROBLEM_LENGTH_MAX = 400;
/** What the tools of Windows need to find their own parts. */
const PASSED_VARIABLES = ["SystemRoot", "SystemDrive", "windir", "TEMP", "TMP"];

export const runTool: ToolRunner = ({ program, words, variables, input = "", timeoutMs, signal }) => {
  const env: Record<string, string> = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", ...variables };
  for (const name of PASSED_VARIABLES) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  const options = {
    env,
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    maxBuffer: OUTPUT_BYTES_MAX,
    windowsHide: true,
    encoding: "utf8",
    ...(signal === undefined ? {} : { signal }),
  } as const;
  return new Promise((resolve) => {
    const child = execFile(program, [...words], options, (error, output, errors) => {
      if (error === null) {
        resolve({ code: 0, output, problem: "" });
        return;
      }
      const code = typeof error.code === "number" ? error.code : undefined;
      const said = oneLine(errors) || oneLine(output);
      const why =
        error.killed === true && typeof error.code !== "string"
          ? `it did not end within ${String(timeoutMs / 1000)} s`
          : oneLine(error.message);
      resolve({ code, output, problem: code !== undefined && said !== "" ? said : why });
    });
    // A tool may end before it has read everything: its exit code says what that means.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
};

function oneLine(text: string): string {
  return text
    .replaceAll(/[\p{Cc}\s]+/gu, " ")
    .trim()
    .slice(0, PROBLEM_LENGTH_MAX);
}
