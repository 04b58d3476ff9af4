/**
 * Unicode "other" (controls, format such as zero-width and bidirectional marks and tags, lone surrogates, private,
 * unassigned) and line and paragraph separators: what can move the cursor, recolour, hide or reorder text
 * (Trojan Source, CVE-2021-42574).
 */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * Text of unknown origin, made harmless for a terminal, a log line or one cell of a table: each unsafe character is
 * shown as `\u001b` (`\u{e0041}` beyond the BMP), so that the reader sees that it was there. Longer texts are cut at
 * `lengthMax` characters.
 */
export function escapeText(text: string, lengthMax = 256): string {
  const cut = text.length > lengthMax ? `${text.slice(0, lengthMax)}…` : text;
  return cut.replace(UNSAFE, (character) => {
    const point = character.codePointAt(0) ?? 0;
    return point > 0xffff ? `\\u{${point.toString(16)}}` : `\\u${point.toString(16).padStart(4, '0')}`;
  });
}

/**
 * One CSV cell (RFC 4180). A text that a spreadsheet would run as a formula gets a leading apostrophe (OWASP, CSV
 * injection); a number is left as it is.
 */
export function csvCell(value: string | number | boolean | null): string {
  if (value === null) return '';
  if (typeof value !== 'string') return String(value);
  const safe = escapeText(value, 4_096);
  const plain = /^[=+\-@|%]/.test(safe) ? `'${safe}` : safe;
  return /[",]/.test(plain) || plain !== plain.trim() ? `"${plain.replaceAll('"', '""')}"` : plain;
}

/** Classic dump: offset, 16 bytes in hex, printable ASCII. At most `bytesMax` bytes. */
export function hexDump(bytes: Uint8Array, bytesMax = 4_096): string {
  const lines: string[] = [];
  const end = Math.min(bytes.length, bytesMax);
  for (let start = 0; start < end; start += 16) {
    const row = Array.from(bytes.subarray(start, Math.min(start + 16, end)));
    const hex = row.map((byte, i) => byte.toString(16).padStart(2, '0') + (i === 7 ? ' ' : '')).join(' ');
    const text = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('');
    lines.push(`${start.toString(16).padStart(8, '0')}  ${hex.padEnd(48)}  |${text}|`);
  }
  if (bytes.length > end) lines.push(`… ${bytes.length - end} more bytes`);
  return lines.join('\n');
}

/** One line of JSON whose texts are harmless on a terminal too: the same value, with unsafe characters as `\u` escapes. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
}
