import {
  decodeDecision,
  decodeFlagged,
  decodePayment,
  headerOf,
  type DecisionRecord,
  type FlaggedRecord,
  type Payment,
  type Raw,
  type TestKafka,
  type Topics,
} from './e2e-topics.ts';

/**
 * What must hold whatever died meanwhile, checked from the topics alone: every input has one decision or one dead letter,
 * and the features are those of a plain recount of the log.
 */

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
const PASSED = /^(ce_.*|traceparent|tracestate)$/;
const PROBLEMS_SHOWN = 20;

export interface Outputs {
  readonly inputs: readonly Raw[];
  /** by decision_id, the first of each */
  readonly decisions: ReadonlyMap<string, DecisionRecord>;
  readonly flagged: ReadonlyMap<string, FlaggedRecord>;
  readonly deadLetters: readonly Raw[];
  /** decisions that were written more than once */
  readonly repeats: number;
}

export interface VerifyOptions {
  /** bytes before the Avro: 5 in the Confluent wire format */
  readonly wireHeader?: number;
  /** a decision may be there more than once, if they are equal: at-least-once; default false */
  readonly repeatable?: boolean;
  /** features are recounted; default true */
  readonly recount?: boolean;
  /** inputs of a batch that cannot be read as a whole: only its first record has a dead letter */
  readonly unreadable?: (raw: Raw) => boolean;
}

const placeOf = ({ topic, partition, offset }: Raw): string => `${topic}/${partition}/${offset}`;

/** Throws with the first problems when anything does not hold. */
export async function verify(kafka: TestKafka, topics: Topics, options: VerifyOptions = {}): Promise<Outputs> {
  const wireHeader = options.wireHeader ?? 0;
  const inputs = await kafka.readAll(topics.transactions);
  const rawDecisions = await kafka.readAll(topics.decisions);
  const rawFlagged = await kafka.readAll(topics.flagged);
  const deadLetters = await kafka.readAll(topics.deadLetter);
  const problems: string[] = [];
  const byPlace = new Map(inputs.map((raw) => [placeOf(raw), raw]));
  const place = (raw: Raw, decision: DecisionRecord): void => {
    const { decision_id: id, input_topic, input_partition, input_offset } = decision;
    if (id !== `${input_topic}/${input_partition}/${input_offset}`) problems.push(`${id}: not topic/partition/offset`);
    const input = byPlace.get(id);
    if (input === undefined) {
      problems.push(`${id}: no such input`);
      return;
    }
    if (raw.partition !== input_partition) problems.push(`${id}: written to partition ${raw.partition}`);
    if (raw.key !== decision.user_id) problems.push(`${id}: key ${raw.key}`);
    const expected = Object.keys(input.headers).filter((name) => PASSED.test(name));
    const passed = Object.keys(raw.headers);
    if (passed.sort().join() !== expected.sort().join()) problems.push(`${id}: headers ${passed.join()}`);
    for (const name of expected) {
      if (headerOf(raw, name) !== headerOf(input, name)) problems.push(`${id}: header ${name} differs`);
    }
  };

  const decisions = new Map<string, DecisionRecord>();
  const texts = new Map<string, string>();
  let repeats = 0;
  for (const raw of rawDecisions) {
    const decision = decodeDecision(raw, wireHeader);
    place(raw, decision);
    const text = JSON.stringify({ ...decision, decision_time: 0 });
    const known = texts.get(decision.decision_id);
    if (known === undefined) {
      texts.set(decision.decision_id, text);
      decisions.set(decision.decision_id, decision);
    } else {
      repeats++;
      if (options.repeatable !== true) problems.push(`${decision.decision_id}: decided twice`);
      if (known !== text) problems.push(`${decision.decision_id}: a repeat differs:\n  ${known}\n  ${text}`);
    }
  }
  const flagged = new Map<string, FlaggedRecord>();
  const flaggedTexts = new Map<string, string>();
  for (const raw of rawFlagged) {
    const one = decodeFlagged(raw, wireHeader);
    const id = one.decision.decision_id;
    place(raw, one.decision);
    if (JSON.stringify({ ...one.decision, decision_time: 0 }) !== texts.get(id))
      problems.push(`${id}: flagged as another decision`);
    const text = JSON.stringify({ ...one, decision: { ...one.decision, decision_time: 0 } });
    const known = flaggedTexts.get(id);
    if (known !== undefined && options.repeatable !== true) problems.push(`${id}: its case is there twice`);
    if (known !== undefined && known !== text)
      problems.push(`${id}: a repeat of its case differs:\n  ${known}\n  ${text}`);
    flaggedTexts.set(id, text);
    flagged.set(id, one);
  }
  const dead = new Set<string>();
  for (const raw of deadLetters) {
    const id = ['topic', 'partition', 'offset'].map((part) => headerOf(raw, `__connect.errors.${part}`)).join('/');
    if (dead.has(id) && options.repeatable !== true) problems.push(`${id}: its dead letter is there twice`);
    dead.add(id);
  }
  for (const [id, raw] of byPlace) {
    if (options.unreadable?.(raw) === true) {
      if (decisions.has(id)) problems.push(`${id}: decided`);
      dead.add(id);
      continue;
    }
    if (!decisions.has(id) && !dead.has(id)) problems.push(`${id}: neither decided nor in the dead letter`);
    if (decisions.has(id) && dead.has(id)) problems.push(`${id}: both decided and in the dead letter`);
    const decision = decisions.get(id);
    if (decision !== undefined && decision.flagged !== flagged.has(id))
      problems.push(`${id}: flagged is ${decision.flagged}`);
  }
  if (options.recount !== false) problems.push(...recount(inputs, flagged, dead, wireHeader));
  if (problems.length > 0) {
    throw new Error(`${problems.length} problems:\n${problems.slice(0, PROBLEMS_SHOWN).join('\n')}`);
  }
  return { inputs, decisions, flagged, deadLetters, repeats };
}

interface Seen {
  readonly payment: Payment;
  readonly id: string;
}

/**
 * Counts, sums, distincts and a mean, from the list of the user's earlier payments. Late payments must not be among the
 * inputs; repeats may be.
 */
function recount(
  inputs: readonly Raw[],
  flagged: ReadonlyMap<string, FlaggedRecord>,
  dead: ReadonlySet<string>,
  wireHeader: number,
): string[] {
  const problems: string[] = [];
  const histories = new Map<string, Seen[]>();
  for (const raw of inputs) {
    const id = placeOf(raw);
    if (dead.has(id)) continue;
    const payment = decodePayment(raw, wireHeader);
    const history = histories.get(payment.user_id) ?? [];
    histories.set(payment.user_id, history);
    const repeated = history.some((one) => one.payment.transaction_id === payment.transaction_id);
    const future = payment.event_time > raw.timestampMs + 300_000;
    const found = flagged.get(id)?.features;
    if (found !== undefined && !repeated && !flagged.get(id)!.decision.degraded.includes('no-history')) {
      const expected = naive(
        payment,
        history.map((one) => one.payment),
      );
      for (const [name, value] of Object.entries(expected)) {
        const actual = found[name];
        const same =
          value === null || actual === null
            ? actual === value
            : Math.abs((actual ?? NaN) - value) <= 1e-9 * Math.max(1, Math.abs(value));
        if (!same) problems.push(`${id}: ${name} is ${String(actual)}, recounted ${String(value)}`);
      }
    }
    if (!repeated && !future) history.push({ payment, id });
  }
  return problems;
}

function naive(current: Payment, earlier: readonly Payment[]): Record<string, number | null> {
  const t = current.event_time;
  const before = (windowMs: number): Payment[] =>
    earlier.filter((one) => one.event_time <= t && one.event_time > t - windowMs);
  const sum = (payments: readonly Payment[]): number => payments.reduce((total, one) => total + one.amount_minor, 0);
  const distinct = (payments: readonly Payment[], of: 'merchant_id' | 'country'): number =>
    new Set(payments.map((one) => one[of])).size;
  const week = before(7 * DAY);
  return {
    amount: current.amount_minor,
    count_10m: before(HOUR / 6).length + 1,
    count_1h: before(HOUR).length + 1,
    count_30d: before(30 * DAY).length + 1,
    sum_1d: sum([...before(DAY), current]),
    merchants_1h: distinct([...before(HOUR), current], 'merchant_id'),
    countries_30d: distinct([...before(30 * DAY), current], 'country'),
    mean_7d: week.length === 0 ? null : sum(week) / week.length,
  };
}
