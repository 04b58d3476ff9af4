import { escapeText, safeJson } from '../observability/terminal.ts';
import type { CommandContext } from './command.ts';

/** What a command that may change something says, dry or not: a line each, or with `--json` one object per partition. */
export class Report {
  readonly applies: boolean;
  private readonly context: CommandContext;
  private readonly action: string;
  private readonly said = new Map<number, string[]>();

  constructor(context: CommandContext, action: string) {
    this.context = context;
    this.action = action;
    this.applies = context.settings['state.apply'];
  }

  /** What it means for a partition. `fields` end its object. */
  say(partition: number, text: string, fields: Readonly<Record<string, unknown>> | null = null): void {
    const { settings, stdout } = this.context;
    if (settings['state.json']) {
      this.said.set(partition, [...(this.said.get(partition) ?? []), text]);
      if (fields !== null) this.object(partition, false, fields);
      return;
    }
    stdout.write(`${this.nameOf(partition)}: ${escapeText(text, 1_000)}\n`);
  }

  /** The last word on a partition: what was done, or would be. */
  done(partition: number, text: string, fields: Readonly<Record<string, unknown>>): void {
    if (this.context.settings['state.json']) {
      this.said.set(partition, [...(this.said.get(partition) ?? []), text]);
      this.object(partition, this.applies, fields);
      return;
    }
    this.say(partition, `${this.applies ? 'done' : 'would be done'}: ${text}`);
  }

  /** After the last partition. */
  end(): void {
    if (this.applies || this.context.settings['state.json']) return;
    this.context.stdout.write('Nothing was changed. Repeat with --apply to do it.\n');
  }

  private object(partition: number, applied: boolean, fields: Readonly<Record<string, unknown>>): void {
    const says = this.said.get(partition) ?? [];
    this.said.delete(partition);
    const topic = this.context.settings['topics.transactions'];
    this.context.stdout.write(`${safeJson({ action: this.action, topic, partition, applied, says, ...fields })}\n`);
  }

  private nameOf(partition: number): string {
    return `${this.context.settings['topics.transactions']}/${partition}`;
  }
}
