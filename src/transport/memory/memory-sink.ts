import type { OutputRecord, OutputStream, RecordHeaders } from '../record.ts';
import type { Sink } from '../sink.ts';

/** A sink for tests: keeps copies, fails or stalls when the test says so. */
export class MemorySink implements Sink {
  readonly records: OutputRecord[] = [];
  closed = false;
  private readonly failures: { error: unknown; written: number }[] = [];
  private gate: { promise: Promise<void>; open: () => void } | null = null;

  /** The next write rejects with this, after its first `written` records: any part may have been written. */
  failNext(error: unknown, written = 0): void {
    this.failures.push({ error, written });
  }

  /** Writes wait until `release`. */
  hold(): void {
    if (this.gate !== null) return;
    let open = (): void => {};
    const promise = new Promise<void>((resolve) => (open = resolve));
    this.gate = { promise, open };
  }

  release(): void {
    this.gate?.open();
    this.gate = null;
  }

  of(stream: OutputStream): OutputRecord[] {
    return this.records.filter((record) => record.stream === stream);
  }

  async write(records: readonly OutputRecord[]): Promise<void> {
    if (this.closed) throw new Error('write after close');
    // Copied before waiting or not, the caller may reuse its buffers only after the write: no difference to it.
    if (this.gate !== null) await this.gate.promise;
    const failure = this.failures.shift();
    const count = failure?.written ?? records.length;
    for (const record of records.slice(0, count)) this.records.push(copy(record));
    if (failure !== undefined) throw failure.error;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

function copy(record: OutputRecord): OutputRecord {
  return {
    ...record,
    key: record.key === null ? null : Buffer.from(record.key),
    value: record.value === null ? null : Buffer.from(record.value),
    headers: record.headers === null ? null : copyHeaders(record.headers),
  };
}

function copyHeaders(headers: RecordHeaders): RecordHeaders {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Buffer.isBuffer(value) ? Buffer.from(value) : value.map((each) => Buffer.from(each)),
    ]),
  );
}
