import { describe, expect, it } from 'vitest';
import { ProcessMark, type ProcessTable } from '../../../src/transport/kafka/process-mark.ts';

interface FakeProcess {
  readonly name?: string;
  readonly state?: string;
  readonly started: number;
  /** of another user */
  readonly foreign?: boolean;
  /** its /proc entry is hidden */
  readonly hidden?: boolean;
}

const BOOT = '/proc/sys/kernel/random/boot_id';

class FakeTable implements ProcessTable {
  readonly pid: number;
  hostname = 'host';
  boot = 'boot-1\n';
  namespace = 'pid:[4026531836]';
  readonly processes = new Map<number, FakeProcess>();

  constructor(pid: number, started: number) {
    this.pid = pid;
    this.processes.set(pid, { started });
  }

  read(path: string): string {
    if (path === BOOT) return this.boot;
    const [, number] = /^\/proc\/(\d+|self)\/stat$/.exec(path) ?? [];
    const pid = number === 'self' ? this.pid : Number(number);
    const found = this.processes.get(pid);
    if (found === undefined || found.hidden === true) throw Object.assign(new Error(path), { code: 'ENOENT' });
    const { name = 'node', state = 'S', started } = found;
    return `${pid} (${name}) ${state} ${Array.from({ length: 18 }, (_, i) => i + 4).join(' ')} ${started} 23 24\n`;
  }

  readLink(): string {
    return this.namespace;
  }

  probe(pid: number): void {
    const found = this.processes.get(pid);
    if (found === undefined) throw Object.assign(new Error('kill'), { code: 'ESRCH' });
    if (found.foreign === true) throw Object.assign(new Error('kill'), { code: 'EPERM' });
  }
}

const markOf = (table: ProcessTable, instanceId: string | null = null): ProcessMark =>
  ProcessMark.own(instanceId, table);

/** A process 10 that was there before, and one of number 20 that comes later on the same machine. */
function twoProcesses(): { earlier: Buffer; table: FakeTable; mark: ProcessMark } {
  const earlier = markOf(new FakeTable(10, 1_000)).bytes;
  const table = new FakeTable(20, 2_000);
  return { earlier, table, mark: markOf(table) };
}

describe('the mark of a process', () => {
  it('of a process that is no more: it has died', () => {
    const { earlier, mark } = twoProcesses();
    expect(mark.hasDied(earlier)).toBe(true);
  });

  it.each<[string, FakeProcess, boolean]>([
    ['it lives', { started: 1_000 }, false],
    ['it lives, and has an odd name', { started: 1_000, name: 'a) Z (b' }, false],
    ['it is stopped, and may go on', { started: 1_000, state: 'T' }, false],
    ['it has ended, nobody has asked for its exit code', { started: 1_000, state: 'Z' }, true],
    ['another process has its number', { started: 1_500 }, true],
    ['another process has its number, of another user', { started: 1_500, foreign: true }, true],
    ['it lives, as another user', { started: 1_000, foreign: true }, false],
    ['some process has its number, which one is hidden', { started: 1_500, foreign: true, hidden: true }, false],
  ])('%s', (_, found, died) => {
    const { earlier, table, mark } = twoProcesses();
    table.processes.set(10, found);
    expect(mark.hasDied(earlier)).toBe(died);
  });

  it('its own process lives', () => {
    const { mark } = twoProcesses();
    expect(mark.hasDied(mark.bytes)).toBe(false);
  });

  it.each<[string, Partial<FakeTable>]>([
    ['machine', { hostname: 'other' }],
    ['start of the machine', { boot: 'boot-2\n' }],
    ['namespace of process numbers', { namespace: 'pid:[4026532999]' }],
  ])('of another %s: nothing is known of it', (_, other) => {
    const elsewhere = markOf(Object.assign(new FakeTable(10, 1_000), other));
    const { mark } = twoProcesses();
    expect(mark.hasDied(elsewhere.bytes)).toBe(false);
  });

  it('what is no mark, or one of another format, says nothing', () => {
    const { earlier, mark } = twoProcesses();
    const text = earlier.toString();
    const forged = [
      '',
      'x',
      ' '.repeat(9),
      text.replace(/^\S+/, 'other-format'),
      text.replace(' 10 ', ' -1 '),
      text.replace(' 10 ', ' 0 '),
      text.replace(' 10 ', ' 1e1x '),
      text.replace(/ -$/, ''),
      text.replace(/ \d+ -$/, ' -'),
      `${text} more`,
    ];
    for (const one of forged) expect(mark.hasDied(Buffer.from(one))).toBe(false);
    expect(mark.hasDied(Buffer.from([0xff, 0xfe, 0x00]))).toBe(false);
  });

  it('an error that is not known says nothing', () => {
    const { earlier, table, mark } = twoProcesses();
    table.probe = () => {
      throw Object.assign(new Error('kill'), { code: 'EINVAL' });
    };
    expect(mark.hasDied(earlier)).toBe(false);
  });

  it('where the system does not tell, or tells of another namespace, nobody is known to have died', () => {
    const { earlier } = twoProcesses();
    const silent: ProcessTable = {
      pid: 20,
      hostname: 'host',
      read: () => {
        throw Object.assign(new Error('no /proc'), { code: 'ENOENT' });
      },
      readLink: () => '',
      probe: () => {
        throw Object.assign(new Error('kill'), { code: 'ESRCH' });
      },
    };
    const odd = new FakeTable(20, 2_000);
    odd.read = (path) => (path === BOOT ? 'boot' : '7 (node) S 1');
    const inner = new FakeTable(20, 2_000);
    const outer = new FakeTable(4_020, 2_000);
    outer.processes.set(20, { started: 1 });
    inner.read = (path) => outer.read(path);
    for (const table of [silent, odd, inner]) {
      const mark = markOf(table);
      expect(mark.hasDied(earlier)).toBe(false);
      expect(mark.hasDied(markOf({ ...silent, pid: 10 }).bytes)).toBe(false);
      expect(twoProcesses().mark.hasDied(mark.bytes)).toBe(false);
    }
  });

  it('an instance id is known wherever the process was; no id is no instance', () => {
    const elsewhere = Object.assign(new FakeTable(10, 1_000), { hostname: 'other', boot: 'boot-9' });
    const here = new FakeTable(20, 2_000);
    expect(markOf(here, 'pod-0').hasSameInstance(markOf(elsewhere, 'pod-0').bytes)).toBe(true);
    expect(markOf(here, 'pod-0').hasSameInstance(markOf(elsewhere, 'pod-1').bytes)).toBe(false);
    expect(markOf(here, 'pod-0').hasSameInstance(markOf(elsewhere).bytes)).toBe(false);
    expect(markOf(here).hasSameInstance(markOf(elsewhere).bytes)).toBe(false);
    expect(markOf(here, 'pod-0').hasSameInstance(Buffer.from('pod-0'))).toBe(false);
    expect(markOf(here, 'pod-0').bytes.toString()).not.toContain('pod-0');
  });
});
