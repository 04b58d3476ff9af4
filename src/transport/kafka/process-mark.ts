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
const MACHINE_CHARACTERS = 32;
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

export class ProcessMark {
  readonly bytes: Buffer;
  private readonly table: ProcessTable;
  private readonly machine: string;

  private constructor(table: ProcessTable, machine: string, started: string) {
    this.table = table;
    this.machine = machine;
    this.bytes = Buffer.from([FORMAT, machine, table.pid, started].join(' '), 'utf8');
  }

  /** Null where the system does not tell: without /proc, or with the /proc of another process namespace. */
  static own(table: ProcessTable = OF_THIS_MACHINE): ProcessMark | null {
    try {
      const own = processStat(table.read('/proc/self/stat'));
      if (own === null || own.pid !== table.pid) return null;
      // The start of the kernel and the namespace that numbers processes; the name sets clones of one machine apart.
      const facts = [
        table.read('/proc/sys/kernel/random/boot_id').trim(),
        table.readLink('/proc/self/ns/pid'),
        table.hostname,
      ];
      const machine = createHash('sha256').update(facts.join('\n')).digest('hex').slice(0, MACHINE_CHARACTERS);
      return new ProcessMark(table, machine, own.started);
    } catch {
      return null;
    }
  }

  /** Whether `mark` is of a process of this machine that is no more. False when that is not certain. */
  hasDied(mark: Buffer): boolean {
    const [format, machine, number, started, ...rest] = mark.toString('utf8').split(' ');
    const pid = Number(number);
    if (format !== FORMAT || machine !== this.machine || rest.length > 0) return false;
    if (!Number.isSafeInteger(pid) || pid <= 0 || started === undefined) return false;
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
      if (now === null || now.pid !== pid) return false;
      return now.started !== started || ENDED_STATES.includes(now.state);
    } catch {
      return false;
    }
  }
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
