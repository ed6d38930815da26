/**
 * From arguments to a command with its operands and options, by the table of definitions.
 *
 * @module
 */
import { AppError } from "@holdfast/kernel";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { COMMANDS, COMMON_OPTIONS, type CommandDefinition, type OptionDefinition } from "./definitions.ts";
import { GivenOptions } from "./given-options.ts";
import { version } from "./version.ts";

export interface ParsedLine {
  readonly definition: CommandDefinition;
  readonly operands: readonly string[];
  readonly options: GivenOptions;
}

const GROUPS: Readonly<Record<string, string>> = {
  key: "the keys that open a repository",
  agent: "this machine as a device of a service",
  admin: "the service itself, on its own machine",
};

/**
 * Reads the arguments. Help goes to `write`, and undefined is returned: there is nothing to run.
 *
 * @throws AppError `ERR_USAGE`.
 */
export async function parseCommandLine(
  argumentsGiven: readonly string[],
  write: (text: string) => unknown,
): Promise<ParsedLine | undefined> {
  let parsed: ParsedLine | undefined;
  const program = buildProgram((line) => {
    parsed = line;
  }, write);
  try {
    await program.parseAsync([...argumentsGiven], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return undefined;
    throw usageError(error);
  }
  return parsed;
}

function usageError(error: CommanderError): AppError {
  // Called without a command, or a group without one of its own: commander has shown the help.
  const isHelp = error.code === "commander.help";
  const message = isHelp ? "No command was given." : sentence(error.message.replace(/^error: /u, ""));
  return new AppError("ERR_USAGE", message, {
    remedy: "See `holdfast --help` or `holdfast COMMAND --help`.",
  });
}

function sentence(text: string): string {
  const line = text.replaceAll(/\s*\n\s*/gu, " ").trim();
  const start = line.charAt(0).toUpperCase() + line.slice(1);
  return /[.?!)]$/u.test(start) ? start : `${start}.`;
}

function buildProgram(onParsed: (line: ParsedLine) => void, write: (text: string) => unknown): Command {
  const program = new Command("holdfast")
    .description("Encrypted, deduplicated backups that a company runs itself.")
    .configureHelp({ showGlobalOptions: false })
    .configureOutput({ writeOut: write, writeErr: () => undefined, outputError: () => undefined })
    .helpCommand("help [command]", "show the help of a command")
    .version(`holdfast ${version()}`, "--version", "show the version")
    .exitOverride();
  const groups = new Map<string, Command>();
  for (const definition of COMMANDS) {
    const [first = "", second] = definition.name.split(" ");
    const parent = second === undefined ? program : groupOf(groups, program, first);
    addCommand(parent, second ?? first, definition, onParsed);
  }
  return program;
}

function groupOf(groups: Map<string, Command>, program: Command, name: string): Command {
  const known = groups.get(name);
  if (known !== undefined) return known;
  const group = program.command(name).description(GROUPS[name] ?? "");
  groups.set(name, group);
  return group;
}

function addCommand(
  parent: Command,
  name: string,
  definition: CommandDefinition,
  onParsed: (line: ParsedLine) => void,
): void {
  const command = parent.command(name).description(definition.summary);
  for (const operand of definition.operands) {
    command.argument(operand.startsWith("[") ? operand : `<${operand}>`);
  }
  for (const option of [...definition.options, ...COMMON_OPTIONS]) command.addOption(toOption(option));
  command.action(() => {
    onParsed({ definition, operands: command.args, options: new GivenOptions(command.opts()) });
  });
}

function toOption(definition: OptionDefinition): Option {
  const { choices, range } = definition;
  const option = new Option(definition.flags.replace(/ ([A-Z_:]+)$/u, " <$1>"), definition.text);
  if (choices !== undefined) option.choices(choices);
  if (range !== undefined) option.argParser((text) => parseNumber(text, range));
  if (definition.many === true) {
    option.argParser((text: string, previous: readonly string[] | undefined) => [...(previous ?? []), text]);
  }
  return option;
}

function parseNumber(text: string, range: { readonly min: number; readonly max: number }): number {
  const value = /^\d{1,12}$/u.test(text) ? Number(text) : Number.NaN;
  if (value >= range.min && value <= range.max) return value;
  throw new InvalidArgumentError(
    `A whole number from ${String(range.min)} to ${String(range.max)} is needed.`,
  );
}
