/**
 * The manual page holdfast(1), made of the definitions that the parser and the help are made of: man-pages(7), man(7).
 *
 * @module
 */
import { COMMANDS, COMMON_OPTIONS, type CommandDefinition, type OptionDefinition } from "./definitions.ts";

const HEAD = `.\\" Made by tools/make-manual.ts from apps/command/src/definitions.ts; a test holds them together.
.TH HOLDFAST 1 "" Holdfast "User commands"
.SH NAME
holdfast \\- encrypted, deduplicated backups that a company runs itself
.SH SYNOPSIS
.B holdfast
.I COMMAND
.RI [ OPTION ]...
.RI [ ARGUMENT ]...
.SH DESCRIPTION
STORAGE is a folder, a URL such as sftp://user@host/path, or @NAME of the configuration file.
COPY is the id of a copy, the start of one (at least 4 characters), or
.BR latest .
A key is never an argument: it comes from
.BR \\-\\-key\\-file ,
.BR HOLDFAST_KEY_FILE ,
.B HOLDFAST_KEY
or a prompt.
`;

const TAIL = `.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
failed
.TP
.B 2
wrong usage, or no key given
.TP
.B 3
done, with warnings: some files could not be read or restored as they were
.TP
.B 4
wrong key
.TP
.B 5
damaged data found
.TP
.B 6
storage unreachable, full or refused
.TP
.B 7
refused by a rule, which the message names
.TP
.B 130
interrupted
.SH SEE ALSO
docs/command.md of the source, which says more about each command and its JSON output.
`;

/** The source of the page, for man(1). */
export function manualPage(): string {
  const common = `.SH OPTIONS OF EVERY COMMAND\n${COMMON_OPTIONS.map(optionText).join("")}.TP\n.B \\-\\-help\nthe command's own help\n`;
  return `${HEAD}.SH COMMANDS\n${COMMANDS.map(commandText).join("")}${common}${TAIL}`;
}

function commandText({ name, operands, summary, options }: CommandDefinition): string {
  return `.SS ${escaped(["holdfast", name, ...operands].join(" "))}\n${line(summary)}${options.map(optionText).join("")}`;
}

function optionText({ flags, text, many, choices }: OptionDefinition): string {
  const notes = [
    ...(choices === undefined ? [] : [choices.join(", ")]),
    ...(many === true ? ["several times"] : []),
  ];
  return `.TP\n.B ${escaped(flags)}\n${line(notes.length === 0 ? text : `${text} (${notes.join("; ")})`)}`;
}

/** A line that begins with a dot or an apostrophe would be an instruction. */
function line(text: string): string {
  return `${escaped(text).replace(/^(?=[.'])/u, "\\&")}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-");
}
