import type { ContractDecoder } from '../codec/decision-decoder.ts';
import type { Decision, FlaggedTransaction } from '../domain/decision.ts';
import { toFraudstreamError } from '../domain/errors.ts';
import type { OutputLog, OutputTail } from '../transport/output-log.ts';
import type { InputPlace } from '../transport/kafka/output-tail.ts';

/** What tells the place of an output; null = none of ours. */
type PlaceOf = (value: Buffer) => InputPlace | null;

/**
 * The end of the output, with decisions of whatever schema version: what was written with a schema that is not known yet is
 * looked up, and the end is read once more.
 */
export class DecisionWitness implements OutputLog {
  private readonly decisions: ContractDecoder<Decision>;
  private readonly flagged: ContractDecoder<FlaggedTransaction>;
  private readonly unknown: Buffer[] = [];
  private readonly log: OutputLog;

  /** @param open makes the log from what tells the place of a decision, and of a flagged payment */
  constructor(
    decisions: ContractDecoder<Decision>,
    flagged: ContractDecoder<FlaggedTransaction>,
    open: (decisionPlace: PlaceOf, flaggedPlace: PlaceOf) => OutputLog,
  ) {
    this.decisions = decisions;
    this.flagged = flagged;
    this.log = open(
      (value) => this.placeOf(value, () => this.decisions.decode(value)),
      (value) => this.placeOf(value, () => this.flagged.decode(value).decision),
    );
  }

  async tail(partition: number): Promise<OutputTail> {
    this.unknown.length = 0;
    const tail = await this.log.tail(partition);
    if (this.unknown.length === 0) return tail;
    // The registry behind both decoders is one: what is known to one of them is known to the other.
    await this.decisions.prepare(this.unknown);
    return this.log.tail(partition);
  }

  private placeOf(value: Buffer, decode: () => Decision): InputPlace | null {
    try {
      const decision = decode();
      return { topic: decision.input_topic, partition: decision.input_partition, offset: decision.input_offset };
    } catch (thrown) {
      // 'not prepared' is the decoder's word for a schema that was never asked for
      if (toFraudstreamError(thrown).code === 'FS_INTERNAL') this.unknown.push(value);
      return null;
    }
  }
}
