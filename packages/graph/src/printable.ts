/** Names from files, made safe to show: they may hold anything, line breaks and terminal codes included. */

/** Control characters, separators, and characters that reorder or hide text. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}\p{Cn}]/gu;

/** The text with unsafe characters written as `\u{…}`, and cut to at most `limit` characters. */
export function printable(text: string, limit = 200): string {
  const characters = [...(text.length > 4 * limit ? text.slice(0, 4 * limit) : text)];
  const shown = characters.length > limit ? [...characters.slice(0, limit - 1), '…'] : characters;
  return shown.join('').replace(UNSAFE, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);
}

/** The text in quotation marks, safe as {@link printable}. */
export function quoted(text: string, limit = 200): string {
  return `"${printable(text, limit).replaceAll('"', '\\"')}"`;
}
