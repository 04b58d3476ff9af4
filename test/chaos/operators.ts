import { make, type MishapOutcome } from './mishap.ts';
import { HARMLESS, MISHAPS } from './mishaps.ts';
import type { Stage } from './stage.ts';

/** All mistakes of operators, some at a time: most of it is waiting. */

export async function operators(stage: Stage, atOnce: number): Promise<MishapOutcome[]> {
  const waiting = [...MISHAPS, ...HARMLESS].filter(({ name }) => stage.options.mishap?.test(name) ?? true);
  // together they would start it as often
  await stage.kafka();
  const outcomes: MishapOutcome[] = [];
  const work = async (): Promise<void> => {
    for (let mishap = waiting.shift(); mishap !== undefined; mishap = waiting.shift()) {
      const { name } = mishap;
      const outcome = await make(stage, mishap).catch((error: unknown): MishapOutcome => ({
        scenario: name,
        code: '',
        message: '',
        faults: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
      }));
      outcomes.push(outcome);
      stage.say(describeMishap(outcome));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return outcomes;
}

function describeMishap({ scenario, code, message, faults }: MishapOutcome): string {
  if (faults.length > 0) return `✗ ${scenario}: ${[message, ...faults].join('\n    ')}`;
  return code === '' ? `✓ ${scenario}: goes on, nothing wrong` : `✓ ${scenario}: stopped, ${message}`;
}
