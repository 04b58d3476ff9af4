import type { Decision, FlaggedTransaction, Reason, ScoreExplanation } from '../domain/decision.ts';
import { AvroWriter } from './avro-writer.ts';
import type { DecisionEncoder } from './codec.ts';
import { writeTransaction } from './transaction-encoder.ts';

/** Schema ids that the registry gave our output schemas. */
export interface OutputSchemaIds {
  readonly decision: number;
  readonly flagged: number;
}

/** @param schemaIds for the Confluent wire format; null for bare Avro */
export function createDecisionEncoder(schemaIds: OutputSchemaIds | null = null): DecisionEncoder {
  const writer = new AvroWriter();
  const decisionId = schemaIds?.decision ?? null;
  const flaggedId = schemaIds?.flagged ?? null;
  return {
    encodeDecision(decision) {
      writer.begin(decisionId);
      writeDecision(writer, decision);
      return writer.take();
    },
    encodeFlagged(flagged) {
      writer.begin(flaggedId);
      writeFlagged(writer, flagged);
      return writer.take();
    },
  };
}

/** The fields in the order of `schemas/decision.avsc`. */
function writeDecision(writer: AvroWriter, decision: Decision): void {
  writer.text(decision.decision_id);
  writer.text(decision.transaction_id);
  writer.text(decision.user_id);
  writer.long(decision.decision === 'ALLOW' ? 0 : 1);
  writer.boolean(decision.flagged);
  writer.double(decision.score);
  writer.text(decision.model_version);
  writer.text(decision.policy_version);
  writer.text(decision.catalogue_fingerprint);
  if (decision.reasons.length > 0) {
    writer.long(decision.reasons.length);
    for (const reason of decision.reasons) writeReason(writer, reason);
  }
  writer.long(0);
  writer.text(decision.input_topic);
  writer.long(decision.input_partition);
  writer.long(decision.input_offset);
  writer.long(decision.event_time);
  writer.long(decision.decision_time);
  writer.boolean(decision.exact);
  writer.boolean(decision.late);
  writer.boolean(decision.future);
  writer.optionalText(decision.duplicate_of);
  if (decision.degraded.length > 0) {
    writer.long(decision.degraded.length);
    for (const what of decision.degraded) writer.text(what);
  }
  writer.long(0);
}

function writeReason(writer: AvroWriter, reason: Reason): void {
  writer.text(reason.code);
  writer.optionalDouble(reason.value);
  writer.optionalDouble(reason.usual);
  writer.optionalDouble(reason.contribution);
  writer.text(reason.text);
}

/** The fields in the order of `schemas/flagged.avsc`. */
function writeFlagged(writer: AvroWriter, flagged: FlaggedTransaction): void {
  writeDecision(writer, flagged.decision);
  writeTransaction(writer, flagged.transaction);
  const names = Object.keys(flagged.features);
  if (names.length > 0) {
    writer.long(names.length);
    for (const name of names) {
      writer.text(name);
      writer.optionalDouble(flagged.features[name]!);
    }
  }
  writer.long(0);
  if (flagged.history.length > 0) {
    writer.long(flagged.history.length);
    for (const entry of flagged.history) {
      writer.long(entry.event_time);
      writer.long(entry.amount_minor);
      writer.long(entry.input_offset);
    }
  }
  writer.long(0);
  writeExplanation(writer, flagged.explanation);
}

function writeExplanation(writer: AvroWriter, explanation: ScoreExplanation | null): void {
  if (explanation === null) {
    writer.long(0);
    return;
  }
  writer.long(1);
  writer.text(explanation.space);
  writer.double(explanation.base);
  const names = Object.keys(explanation.contributions);
  if (names.length > 0) {
    writer.long(names.length);
    for (const name of names) {
      writer.text(name);
      writer.double(explanation.contributions[name]!);
    }
  }
  writer.long(0);
}
