import type { EventView } from './event-view.ts';
import { setMasks, type Layout } from './layout.ts';

/**
 * A condition that a row cannot be asked again, since it is about more than what rows keep. It is asked when its event comes, and
 * the answers are kept like the value of a field: bit s is set where it holds when LABEL is s; -1 = it holds for none.
 */
export interface Question {
  /** its place in `Layout.fields` */
  readonly field: number;
  /** it reads values that rows keep, which are known later than the event itself */
  readonly asksKept: boolean;
  /** one per LABEL state, or one for all */
  readonly holds: readonly ((event: EventView) => boolean)[];
}

const ALL_STATES = 7;

/** Answers and masks of an event whose fields and payment are filled in. */
export function answerAll(layout: Layout, event: EventView): void {
  for (const question of layout.questions) answer(question, event);
  setMasks(layout, event);
}

/** The same after a value that rows keep has come. */
export function answerKept(layout: Layout, event: EventView): void {
  for (const question of layout.questions) if (question.asksKept) answer(question, event);
  setMasks(layout, event);
}

function answer({ field, holds }: Question, event: EventView): void {
  let answers = 0;
  if (holds.length === 1) answers = holds[0]!(event) ? ALL_STATES : 0;
  else for (let state = 0; state < holds.length; state++) if (holds[state]!(event)) answers |= 1 << state;
  event.hashes[field] = answers === 0 ? -1 : answers;
}
