import { existsSync } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import avro from 'avsc';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createDecisionEncoder } from '../../../../src/codec/decision-encoder.ts';
import type { Decision } from '../../../../src/domain/decision.ts';
import { openFileSink } from '../../../../src/transport/file/file-sink.ts';
import type { OutputRecord } from '../../../../src/transport/record.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'file-sink-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const decision = (i: number): Decision => ({
  decision_id: `transactions/0/${i}`,
  transaction_id: `t_${i}`,
  user_id: `u_${i % 7}`,
  decision: i % 5 === 0 ? 'BLOCK' : 'ALLOW',
  flagged: i % 5 === 0,
  score: i / 10_000,
  model_version: 'm1',
  policy_version: 'p1',
  catalogue_fingerprint: 'f1',
  reasons: [{ code: 'count_10m', value: 7, usual: null, contribution: null, text: '7 payments in 10 min' }],
  input_topic: 'transactions',
  input_partition: 0,
  input_offset: i,
  event_time: 1_700_000_000_000 + i,
  decision_time: 1_700_000_000_500 + i,
  exact: true,
  late: false,
  future: false,
  duplicate_of: null,
  degraded: [],
});

const encoder = createDecisionEncoder();
const output = (
  stream: OutputRecord['stream'],
  value: Buffer | null,
  more: Partial<OutputRecord> = {},
): OutputRecord => ({
  stream,
  partition: 0,
  key: null,
  value,
  headers: null,
  timestampMs: -1,
  ...more,
});

async function readContainer(path: string): Promise<unknown[]> {
  const read: unknown[] = [];
  const stream = avro.createFileDecoder(path);
  stream.on('data', (value: unknown) => read.push(value));
  await new Promise((resolve, reject) => stream.on('end', resolve).on('error', reject));
  return JSON.parse(JSON.stringify(read)) as unknown[];
}

/** One write to any file fails as the file system would say it; the ones after it would succeed. */
async function failNextWrite(code: string): Promise<void> {
  const handle = await open(join(folder, 'any'), 'w');
  await handle.close();
  const handles = Object.getPrototypeOf(handle) as FileHandle;
  vi.spyOn(handles, 'write').mockRejectedValueOnce(Object.assign(new Error('write failed'), { code }));
}

describe('file sink', () => {
  it('writes container files that another implementation reads, named only when whole', async () => {
    const decisions = Array.from({ length: 5_000 }, (_, i) => decision(i));
    const target = join(folder, 'deep', 'out');
    const sink = await openFileSink({ folder: target });
    const scratch = Buffer.alloc(4_096);
    for (const each of decisions) {
      // The caller's buffer is used again: the sink must have copied.
      const bytes = encoder.encodeDecision(each);
      bytes.copy(scratch);
      await sink.write([output('decisions', scratch.subarray(0, bytes.length))]);
      scratch.fill(0);
    }
    expect((await readdir(target)).sort()).toEqual([
      'dead-letter.jsonl.partial',
      'decisions.avro.partial',
      'flagged.avro.partial',
    ]);
    await sink.close();
    expect((await readdir(target)).sort()).toEqual(['dead-letter.jsonl', 'decisions.avro', 'flagged.avro']);
    expect(await readContainer(join(target, 'decisions.avro'))).toEqual(decisions);
    expect(await readContainer(join(target, 'flagged.avro'))).toEqual([]);
  });

  it('gives equal bytes for equal runs', async () => {
    const bytes: Buffer[] = [];
    for (const name of ['a', 'b']) {
      const sink = await openFileSink({ folder: join(folder, name) });
      await sink.write(
        Array.from({ length: 3_000 }, (_, i) => output('decisions', encoder.encodeDecision(decision(i)))),
      );
      await sink.close();
      bytes.push(await readFile(join(folder, name, 'decisions.avro')));
    }
    expect(bytes[0]!.equals(bytes[1]!)).toBe(true);
  });

  it('writes lines when asked', async () => {
    const sink = await openFileSink({ folder, format: 'jsonl' });
    await sink.write([0, 1, 2].map((i) => output('decisions', encoder.encodeDecision(decision(i)))));
    await sink.close();
    const lines = (await readFile(join(folder, 'decisions.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([0, 1, 2].map(decision));
  });

  it('keeps the bytes, key and headers of dead letters', async () => {
    const value = Buffer.from([0, 255, 10, 13]);
    const headers = {
      'fraudstream.error.code': Buffer.from('FS_AVRO_INVALID'),
      twice: [Buffer.from('a'), Buffer.from('b')],
    };
    const sink = await openFileSink({ folder });
    await sink.write([
      output('dead-letter', value, { partition: 3, key: Buffer.from('k'), headers, timestampMs: 5 }),
      output('dead-letter', null),
    ]);
    await sink.close();
    const lines = (await readFile(join(folder, 'dead-letter.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        code: 'FS_AVRO_INVALID',
        partition: 3,
        timestamp_ms: 5,
        key: 'aw==',
        value: value.toString('base64'),
        headers: {
          'fraudstream.error.code': Buffer.from('FS_AVRO_INVALID').toString('base64'),
          twice: ['YQ==', 'Yg=='],
        },
      },
      { code: null, partition: 0, timestamp_ms: -1, key: null, value: null, headers: {} },
    ]);
  });

  it('says that the disk is full, and leaves no file that looks whole', async () => {
    const sink = await openFileSink({ folder });
    await failNextWrite('ENOSPC');
    const big = output('dead-letter', Buffer.alloc(300_000));
    const refused = { code: 'FS_FILE_INVALID', message: expect.stringContaining('the disk is full') as string };
    await expect(sink.write([big])).rejects.toMatchObject(refused);
    // there would be a hole
    await expect(sink.write([big])).rejects.toMatchObject(refused);
    await expect(sink.close()).rejects.toMatchObject(refused);
    expect(existsSync(join(folder, 'dead-letter.jsonl'))).toBe(false);
    expect(existsSync(join(folder, 'decisions.avro'))).toBe(true);
  });

  it('refuses a folder that cannot be made', async () => {
    await mkdir(join(folder, 'decisions.avro.partial'));
    await expect(openFileSink({ folder })).rejects.toMatchObject({ code: 'FS_FILE_INVALID' });
  });
});
