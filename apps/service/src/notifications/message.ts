/**
 * What a message says: which plan, which device, what went wrong, what to do next, and where to look. Names are people's texts:
 * each form escapes them in its own way.
 *
 * @module
 */
import type { NotificationKind } from "@holdfast/protocol";
import type { EventDetails } from "./events.ts";

export interface Message {
  readonly id: string;
  readonly kind: NotificationKind | "test";
  readonly at: number;
  readonly details: EventDetails;
  /** Beginning of links, without a slash at its end; null: none. */
  readonly publicUrl: string | null;
}

const TITLES: Readonly<Record<Message["kind"], string>> = {
  "backup.succeeded": "Backup succeeded",
  "backup.warnings": "Backup has warnings",
  "backup.failed": "Backup failed",
  "backup.missed": "Backup was missed",
  "verification.failed": "Verification failed",
  "device.silent": "Device is silent",
  "storage.low": "Storage is nearly full",
  "certificate.expiring": "Certificate of a device is about to end",
  "token.expiring": "API token is about to end",
  "lock.lowering": "Retention lock is about to be lowered",
  "vault.problem": "Password Manager has a problem",
  "audit.problem": "Audit log is not as it was written",
  test: "Test message",
};

/** Where the error itself does not say it. */
const NEXT: Readonly<Record<Message["kind"], string>> = {
  "backup.succeeded": "Nothing.",
  "backup.warnings": "Look at the task: some files may be missing from the copy.",
  "backup.failed": "Look at the task, mend what it names, and run the plan again.",
  "backup.missed": "See whether the device was on, and run the plan now.",
  "verification.failed":
    "Look at the task, and make a new copy before anything else: do not delete older ones.",
  "device.silent": "See whether it is on, whether its agent runs, and whether it reaches the service.",
  "storage.low": "Make room, keep fewer copies, or add a storage.",
  "certificate.expiring":
    "Switch the device on: it renews its certificate by itself. Past that day enroll it again.",
  "token.expiring": "Make a new token and put it where the old one is used.",
  "lock.lowering":
    "If nobody should have asked for this, call it off before that day: after it, copies can be deleted.",
  "vault.problem":
    "Open Settings, Protection, and verify there; restore the database from its backup if a value is lost.",
  "audit.problem": "Find out who can write to the database, and keep it as it is: it is evidence.",
  test: "Nothing: this channel works.",
};

/** One line, without control characters, bounded. */
export function titleOf({ kind, details }: Pick<Message, "kind" | "details">): string {
  const { plan, device, storage } = details;
  const about = [
    plan?.name,
    device === undefined ? undefined : plan === undefined ? device.name : `on ${device.name}`,
  ];
  const subject = about.filter((part) => part !== undefined).join(" ");
  const name = subject === "" ? storage?.name : subject;
  return plainLine(name === undefined ? TITLES[kind] : `${TITLES[kind]}: ${name}`, TITLE_MAX);
}

const TITLE_MAX = 200;
const LINE_MAX = 2000;

/** Label and value of each line. */
export function linesOf({ kind, at, details }: Message): readonly (readonly [string, string])[] {
  const { plan, device, storage, error, facts = [] } = details;
  const lines: (readonly [string, string | undefined])[] = [
    ["Plan", plan?.name],
    ["Device", device?.name],
    ["Storage", storage?.name],
    ["When", `${new Date(at).toISOString().slice(0, 16).replace("T", " ")} UTC`],
    ["Error", error === undefined ? undefined : `${error.code}: ${error.message}`],
    ...facts,
    ["What to do", error?.remedy ?? NEXT[kind]],
  ];
  return lines.flatMap(([label, value]) =>
    value === undefined ? [] : [[label, plainLine(value, LINE_MAX)]],
  );
}

export function linkOf({ publicUrl, details }: Message): string | undefined {
  if (publicUrl === null) return undefined;
  const { task, device, storage } = details;
  if (task !== undefined) return `${publicUrl}/tasks/${encodeURIComponent(task)}`;
  if (device !== undefined) return `${publicUrl}/devices/${encodeURIComponent(device.id)}`;
  if (storage !== undefined) return `${publicUrl}/storages/${encodeURIComponent(storage.id)}`;
  return publicUrl;
}

export function plainTextOf(message: Message): string {
  const lines = linesOf(message).map(([label, value]) => `${label}: ${value}`);
  const link = linkOf(message);
  return [titleOf(message), "", ...lines, ...(link === undefined ? [] : ["", link]), ""].join("\n");
}

export function htmlOf(message: Message): string {
  const rows = linesOf(message).map(
    ([label, value]) =>
      `<tr><th align="left" valign="top">${escapeHtml(label)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  const link = linkOf(message);
  const anchor = link === undefined ? [] : [`<p><a href="${escapeHtml(link)}">Open it in Holdfast</a></p>`];
  const title = escapeHtml(titleOf(message));
  return [
    `<!doctype html><html><head><meta charset="utf-8"><title>${title}</title></head><body>`,
    `<h1 style="font-size:1.2em">${title}</h1><table cellpadding="4">`,
    ...rows,
    `</table>`,
    ...anchor,
    `</body></html>`,
  ].join("\n");
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;")
    .replaceAll("'", "&#39;");
}

/** Control characters and marks that turn the direction of text become spaces. */
export function plainLine(text: string, max: number): string {
  const plain = text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]+/gu, " ").toWellFormed();
  return plain.length <= max ? plain : `${plain.slice(0, max - 1).toWellFormed()}…`;
}
