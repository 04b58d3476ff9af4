import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Says in a group which process a member is, so that a later process of the same machine can tell that it has died: its number
 * and the time of its start, which together never come twice between two starts of the machine.
 */

/** What the machine knows of its processes. Reads throw as node:fs and process.kill do. */
export interface ProcessTable {
  readonly pid: number;
  readonly hostname: string;
  /** a file below /proc */
  read(path: string): string;
  /** a link below /proc */
  readLink(path: string): string;
  /** asks whether there is such a process; throws ESRCH when there is none */
  probe(pid: number): void;
}

const FORMAT = 'fraudstream-process-1';
const DIGEST_CHARACTERS = 32;
/** proc_pid_stat(5): the state is field 3, the start (in ticks since the machine's start) field 22 */
const START_FIELD = 22 - 3;
/** it has ended, and its parent has not asked for its exit code */
const ENDED_STATES: readonly string[] = ['Z', 'X', 'x'];

const OF_THIS_MACHINE: ProcessTable = {
  pid: process.pid,
  hostname: hostname(),
  read: (path) => readFileSync(path, 'utf8'),
  readLink: (path) => readlinkSync(path),
  probe: (pid) => void process.kill(pid, 0),
};

/** what is not known; no number and no digest */
const NOTHING = '-';

export class ProcessMark {
  readonly bytes: Buffer;
  private readonly table: ProcessTable;
  private readonly machine: string;
  private readonly instance: string;

  private constructor(table: ProcessTable, machine: string, started: string, instance: string) {
    this.table = table;
    this.machine = machine;
    this.instance = instance;
    this.bytes = Buffer.from([FORMAT, machine, table.pid, started, instance].join(' '), 'utf8');
  }

  /** @param instanceId a name that no other process has at the same time; null = none */
  static own(instanceId: string | null = null, table: ProcessTable = OF_THIS_MACHINE): ProcessMark {
    const instance = instanceId === null ? NOTHING : digest(instanceId);
    try {
      const own = processStat(table.read('/proc/self/stat'));
      // The /proc of another namespace has other numbers.
      if (own?.pid === table.pid) return new ProcessMark(table, machineOf(table), own.started, instance);
    } catch {
      // no /proc
    }
    return new ProcessMark(table, NOTHING, NOTHING, instance);
  }

  /** Whether `mark` is of a process of this machine that is no more. False when that is not certain. */
  hasDied(mark: Buffer): boolean {
    const fields = fieldsOf(mark);
    if (fields === null || fields.machine === NOTHING || fields.machine !== this.machine) return false;
    const { pid, started } = fields;
    try {
      this.table.probe(pid);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ESRCH') return true;
      // EPERM: there is one, of another user
      if (code !== 'EPERM') return false;
    }
    try {
      const now = processStat(this.table.read(`/proc/${pid}/stat`));
      if (now?.pid !== pid) return false;
      return now.started !== started || ENDED_STATES.includes(now.state);
    } catch {
      return false;
    }
  }

  /** Whether `mark` is of a process with our instance id, wherever it is. */
  hasSameInstance(mark: Buffer): boolean {
    return this.instance !== NOTHING && fieldsOf(mark)?.instance === this.instance;
  }
}

function fieldsOf(mark: Buffer): { machine: string; pid: number; started: string; instance: string } | null {
  const [format, machine, number, started, instance, ...rest] = mark.toString('utf8').split(' ');
  const pid = Number(number);
  if (format !== FORMAT || machine === undefined || started === undefined || instance === undefined) return null;
  if (rest.length > 0 || !Number.isSafeInteger(pid) || pid <= 0) return null;
  return { machine, pid, started, instance };
}

/** The start of the kernel and the namespace that numbers its processes; the name sets copies of one machine apart. */
function machineOf(table: ProcessTable): string {
  const boot = table.read('/proc/sys/kernel/random/boot_id').trim();
  return digest([boot, table.readLink('/proc/self/ns/pid'), table.hostname].join('\n'));
}

/** Groups may be described by others: names of machines are not for them. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, DIGEST_CHARACTERS);
}

function processStat(line: string): { pid: number; state: string; started: string } | null {
  // The name in parentheses may hold anything, parentheses and spaces too.
  const [state, ...fields] = line
    .slice(line.lastIndexOf(')') + 1)
    .trim()
    .split(/\s+/);
  const started = fields[START_FIELD - 1];
  const pid = Number.parseInt(line, 10);
  if (state === undefined || started === undefined || !/^\d+$/.test(started) || !Number.isSafeInteger(pid)) return null;
  return { pid, state, started };
}
