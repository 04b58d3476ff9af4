import { describe, expect, it } from 'vitest';
import { FraudstreamError } from '../../../src/domain/errors.ts';
import type { LogFields } from '../../../src/domain/logger.ts';
import { createLog, errorFields, SAFE_FIELDS, type LogOptions } from '../../../src/observability/log.ts';

const CANARY = 'c4n4ry-p4ssw0rd';

function logged(write: (log: ReturnType<typeof createLog>) => void, options: Partial<LogOptions> = {}): string[] {
  const lines: string[] = [];
  const secrets = [CANARY];
  write(
    createLog({
      level: 'info',
      pretty: false,
      colour: false,
      app: 'test',
      secrets,
      write: (line) => lines.push(line),
      ...options,
    }),
  );
  return lines;
}

const parsed = (lines: string[]): Record<string, unknown>[] =>
  lines.map((line) => JSON.parse(line) as Record<string, unknown>);

describe('the log', () => {
  it('is one JSON object per line, from its level on', () => {
    const lines = logged((log) => {
      log.debug('not seen');
      log.info('assigned', { partition: 3, next_offset: 17 });
      log.error('failed', { code: 'FS_INTERNAL' });
    });
    expect(lines.every((line) => line.endsWith('\n') && line.indexOf('\n') === line.length - 1)).toBe(true);
    expect(parsed(lines)).toMatchObject([
      { level: 'info', app: 'test', message: 'assigned', partition: 3, next_offset: 17 },
      { level: 'error', message: 'failed', code: 'FS_INTERNAL' },
    ]);
    expect(String(parsed(lines)[0]?.['time'])).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it('drops every field that is not allowed', () => {
    const fields = {
      user_id: 'u1',
      card_id: '4111111111111111',
      card: 4111111111111111,
      ip: '10.1.2.3',
      value: 'payload',
      payload: 'payload',
      password: 'x',
      headers: 'x',
      key: 'u1',
      topic: 'transactions',
    };
    const [line] = parsed(logged((log) => log.info('message', fields)));
    expect(Object.keys(line ?? {}).sort()).toEqual(['app', 'level', 'message', 'time', 'topic']);
  });

  it('allows no name of a field of a payment that says who or what', () => {
    const payload =
      'transaction_id user_id card_id merchant_id terminal_id device_id ip lat lon amount_minor attributes';
    for (const name of `${payload} key value headers password secret token`.split(' ')) {
      expect(SAFE_FIELDS.has(name)).toBe(false);
    }
  });

  it('drops objects and buffers even under an allowed name', () => {
    const fields = { state: { card: '4111' }, reason: Buffer.from('4111') } as unknown as LogFields;
    expect(logged((log) => log.info('message', fields)).join('')).not.toContain('4111');
  });

  it.each([false, true])('masks secrets wherever they are (pretty: %s)', (pretty) => {
    const lines = logged(
      (log) => {
        log.info(`AUTH ${CANARY}`, { reason: `x${CANARY}y`, address: `redis://u:${CANARY}@h` });
        log.warn('unknown secret in a URL', { address: 'redis://u:other-secret@h:1/0' });
        const cause = Object.assign(new Error(`ERR AUTH ${CANARY}`), { code: 'EAUTH' });
        log.error('unexpected', errorFields(cause));
        log.error('ours', errorFields(new FraudstreamError('FS_INTERNAL', CANARY, { topic: CANARY })));
        log.error('long', { reason: `${'x'.repeat(495)}${CANARY}` });
      },
      { pretty },
    );
    expect(lines.join('')).not.toContain(CANARY);
    expect(lines.join('')).not.toContain(CANARY.slice(0, 5));
    expect(lines.join('')).not.toContain('other-secret');
    expect(lines.join('')).toContain('[secret]');
  });

  it.each([false, true])('neutralises control characters and forged lines (pretty: %s)', (pretty) => {
    const lines = logged((log) => log.info('a\n{"level":"info"}', { reason: 'x\u001b[2J\r\nforged\u202e' }), {
      pretty,
    });
    expect(lines).toHaveLength(1);
    const line = lines[0] ?? '';
    expect(line.trimEnd()).not.toMatch(/[\p{Cc}\u202e]/u);
    expect(line).toContain('u001b[2J');
  });

  it('cuts long texts', () => {
    const [line] = parsed(logged((log) => log.info('message', { reason: 'x'.repeat(10_000) })));
    expect(String(line?.['reason'])).toHaveLength(501);
  });

  it('gives code and place of our errors, and a stack only of bugs', () => {
    const ours = new FraudstreamError('FS_STATE_UNAVAILABLE', 'timeout', { topic: 't', partition: 1, offset: 2 });
    expect(errorFields(ours)).toMatchObject({ code: 'FS_STATE_UNAVAILABLE', topic: 't', partition: 1, offset: 2 });
    expect(errorFields(ours)['stack']).toBeUndefined();
    expect(errorFields(new FraudstreamError('FS_INTERNAL', ''))['stack']).toContain('FraudstreamError');
    expect(errorFields('text')).toEqual({ reason: 'text' });
  });
});
