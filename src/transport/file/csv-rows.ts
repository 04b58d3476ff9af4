import { isUtf8 } from 'node:buffer';
import { LIMITS } from '../../domain/limits.ts';
import type { ByteStream } from './byte-stream.ts';

const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** A row, all its lines together, may be as large as a record; a longer one is handed on in pieces. */
const ROW_BYTES_MAX = LIMITS.recordBytesMax;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

export interface CsvLayout {
  readonly encoding: 'utf-8' | 'latin1';
  readonly delimiter: string;
  readonly quote: string | null;
  readonly trim: boolean;
}

export interface CsvRow {
  /** of its first line, from 1 */
  readonly line: number;
  readonly bytes: Buffer;
  /** null: it is no row, `reason` says why */
  readonly cells: readonly string[] | null;
  readonly reason: string;
}

/**
 * Rows of a delimited file (RFC 4180, any delimiter and quote), in constant memory. A quote within a cell that does not
 * begin with one is a character like any other. Where quotes do not work out, the first line alone is refused and
 * reading goes on with the next, so that one wrong quote costs one row. Empty lines are no rows.
 *
 * Not a library: with line numbers and the bytes of each row, which dead letters need, csv-parse reads 70,000 to 180,000
 * rows/s where this reads over a million, and an open quote costs it the rest of the file.
 */
export class CsvRows {
  private readonly stream: ByteStream;
  private readonly layout: CsvLayout;
  private readonly quote: number;
  private line = 0;
  private inOverlong = false;

  constructor(stream: ByteStream, layout: CsvLayout) {
    this.stream = stream;
    this.layout = layout;
    this.quote = layout.quote === null ? -1 : layout.quote.charCodeAt(0);
  }

  get position(): number {
    return this.stream.position;
  }

  /** The next row if all of it has been read already, else null: saves a promise per row. */
  take(): CsvRow | null {
    for (;;) {
      const view = this.stream.peek();
      const end = view.indexOf(NEWLINE);
      if (end === -1 || end > ROW_BYTES_MAX || this.inOverlong || this.line === 0) return null;
      // The common row: one line without a quote.
      if (this.quote === -1 || !view.subarray(0, end).includes(this.quote)) {
        if (this.isBlank(view, end)) continue;
        return this.plain(end, end + 1);
      }
      const row = this.quoted(view, false);
      if (row !== 'more') return row;
      return null;
    }
  }

  /** The next row, or null at the end. */
  async next(): Promise<CsvRow | null> {
    const { stream } = this;
    for (;;) {
      await stream.ensure(ROW_BYTES_MAX + 2);
      if (this.line === 0) {
        if (stream.peek().subarray(0, 3).equals(BOM)) stream.take(3);
        this.line = 1;
      }
      if (stream.available === 0) return null;
      const view = stream.peek();
      const end = view.indexOf(NEWLINE);
      const length = end === -1 ? view.length : end;
      if (length > ROW_BYTES_MAX || this.inOverlong) {
        const piece = Math.min(length, ROW_BYTES_MAX + 1);
        const ends = end !== -1 && piece === length;
        const row = this.refused(
          stream.take(ends ? piece + 1 : piece).subarray(0, piece),
          'longer than a record may be',
        );
        // The pieces of one line are one bad row to the reader of the report: all carry its number.
        this.inOverlong = !ends && stream.available > 0;
        if (ends) this.line++;
        return row;
      }
      if (this.isBlank(view, length)) continue;
      if (this.quote === -1 || !view.subarray(0, length).includes(this.quote)) {
        return this.plain(length, end === -1 ? length : end + 1);
      }
      const row = this.quoted(view, true);
      if (row !== 'more') return row;
    }
  }

  async close(): Promise<void> {
    await this.stream.close();
  }

  private isBlank(view: Buffer, length: number): boolean {
    if (length > 1 || (length === 1 && view[0] !== RETURN)) return false;
    this.stream.take(Math.min(length + 1, view.length));
    this.line++;
    return true;
  }

  private plain(length: number, taken: number): CsvRow {
    const bytes = withoutReturn(this.stream.take(taken).subarray(0, length));
    const line = this.line++;
    const text = this.decode(bytes);
    if (text === null) return { line, bytes, cells: null, reason: NOT_UTF8 };
    const cells = text.split(this.layout.delimiter);
    if (this.layout.trim) for (let k = 0; k < cells.length; k++) cells[k] = cells[k]!.trim();
    return { line, bytes, cells, reason: '' };
  }

  /** A row with quotes, perhaps over several lines. `more`: it goes on behind what has been read. */
  private quoted(view: Buffer, whole: boolean): CsvRow | 'more' {
    const end = this.rowEnd(view);
    // Where the view ends, a quote may be the first of two and a cell may go on.
    if (!whole && (end === null || end.at >= view.length - 1)) return 'more';
    if (end === null || end.wrong) {
      const newline = view.indexOf(NEWLINE);
      const length = newline === -1 ? view.length : newline;
      const taken = this.stream.take(Math.min(length + 1, view.length)).subarray(0, length);
      const row = this.refused(withoutReturn(taken), 'its quotes do not work out');
      this.line++;
      return row;
    }
    const bytes = withoutReturn(this.stream.take(Math.min(end.at + 1, view.length)).subarray(0, end.at));
    const line = this.line;
    this.line += 1 + end.newlines;
    const text = this.decode(bytes);
    if (text === null) return { line, bytes, cells: null, reason: NOT_UTF8 };
    return { line, bytes, cells: this.split(text), reason: '' };
  }

  /** Where the row ends, or where it cannot go on; null: not within `ROW_BYTES_MAX` of the view. */
  private rowEnd(view: Buffer): { at: number; newlines: number; wrong: boolean } | null {
    const { quote } = this;
    const delimiter = this.layout.delimiter.charCodeAt(0);
    const length = Math.min(view.length, ROW_BYTES_MAX);
    let newlines = 0;
    let at = 0;
    for (;;) {
      // at the beginning of a cell
      if (this.layout.trim) while (view[at] === 0x20 && delimiter !== 0x20) at++;
      if (view[at] === quote) {
        for (at++; ; at++) {
          if (at >= length) return null;
          const byte = view[at];
          if (byte === NEWLINE) newlines++;
          if (byte !== quote) continue;
          if (view[at + 1] !== quote) break;
          at++;
        }
        at++;
        if (this.layout.trim) while (view[at] === 0x20 && delimiter !== 0x20) at++;
        if (view[at] === RETURN && (view[at + 1] === NEWLINE || at + 1 >= view.length)) at++;
        // What stands behind the closing quote is neither a delimiter nor the end.
        if (at < length && view[at] !== delimiter && view[at] !== NEWLINE) return { at, newlines, wrong: true };
      }
      while (at < length && view[at] !== delimiter && view[at] !== NEWLINE) at++;
      if (at >= view.length) return { at: view.length, newlines, wrong: false };
      if (at >= length) return null;
      if (view[at] === NEWLINE) return { at, newlines, wrong: false };
      at++;
    }
  }

  /** The cells of a row whose quotes are known to work out. */
  private split(text: string): string[] {
    const { delimiter, trim } = this.layout;
    const quote = this.layout.quote ?? '';
    const cells: string[] = [];
    for (let at = 0; ;) {
      let from = at;
      if (trim && delimiter !== ' ') while (text[from] === ' ') from++;
      let cell: string;
      if (text[from] === quote) {
        let close = text.indexOf(quote, from + 1);
        while (close !== -1 && text[close + 1] === quote) close = text.indexOf(quote, close + 2);
        cell = text.slice(from + 1, close).replaceAll(quote + quote, quote);
        at = text.indexOf(delimiter, close + 1);
      } else {
        at = text.indexOf(delimiter, at);
        cell = text.slice(from, at === -1 ? undefined : at);
        if (trim) cell = cell.trim();
      }
      cells.push(cell);
      if (at === -1) return cells;
      at++;
    }
  }

  private refused(bytes: Buffer, reason: string): CsvRow {
    return { line: this.line, bytes, cells: null, reason };
  }

  private decode(bytes: Buffer): string | null {
    if (this.layout.encoding === 'latin1') return bytes.toString('latin1');
    const text = bytes.toString('utf8');
    // What is no UTF-8 comes as this character, which may also be meant.
    return text.includes('\ufffd') && !isUtf8(bytes) ? null : text;
  }
}

const NOT_UTF8 = 'not valid UTF-8; say `file: { encoding: latin1 }` when it is that';

function withoutReturn(bytes: Buffer): Buffer {
  return bytes.at(-1) === RETURN ? bytes.subarray(0, -1) : bytes;
}
