/**
 * The header that names a download (RFC 6266, RFC 8187), for any name that a file may have.
 *
 * @module
 */

const CHARACTERS_MAX = 200;
/** Controls and invisible characters, such as those that turn the direction of text, and what separates folders somewhere. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029/\\]/gu;
/** `attr-char` of RFC 8187, section 3.2.1, is what `encodeURIComponent` leaves alone, less these. */
const NOT_ATTR = /['()*]/gu;

/** Always as an attachment: nothing of a copy is ever shown as a page of the service. */
export function contentDisposition(name: string): string {
  const safe = safeName(name);
  const ascii = safe.replaceAll(/[^A-Za-z0-9 ._-]/gu, "_");
  const encoded = encodeURIComponent(safe).replaceAll(
    NOT_ATTR,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}

function safeName(name: string): string {
  const replaced = name.toWellFormed().replaceAll(UNSAFE, "_").trim();
  // The end of a name says what opens it.
  const cut = replaced.length > CHARACTERS_MAX ? replaced.slice(-CHARACTERS_MAX).toWellFormed() : replaced;
  return /^\.*$/u.test(cut) ? "download" : cut;
}
