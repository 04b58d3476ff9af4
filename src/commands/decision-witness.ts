import type { ContractDecoder } from '../codec/decision-decoder.ts';
import type { Decision } from '../domain/decision.ts';
import { toFraudstreamError } from '../domain/errors.ts';
import type { OutputLog, OutputTail } from '../transport/output-log.ts';
import type { InputPlace } from '../transport/kafka/output-tail.ts';

/**
 * The end of the output, with decisions of whatever schema version: what was written with a schema that is not known yet is
 * looked up, and the end is read once more.
 */
export class DecisionWitness implements OutputLog {
  private readonly decoder: ContractDecoder<Decision>;
  private readonly unknown: Buffer[] = [];
  private readonly log: OutputLog;

  /** @param open makes the log from what tells the place of a decision; null = no decision of ours */
  constructor(decoder: ContractDecoder<Decision>, open: (placeOf: (value: Buffer) => InputPlace | null) => OutputLog) {
    this.decoder = decoder;
    this.log = open((value) => this.placeOf(value));
  }

  async tail(partition: number): Promise<OutputTail> {
    this.unknown.length = 0;
    const tail = await this.log.tail(partition);
    if (this.unknown.length === 0) return tail;
    await this.decoder.prepare(this.unknown);
    return this.log.tail(partition);
  }

  private placeOf(value: Buffer): InputPlace | null {
    try {
      const decision = this.decoder.decode(value);
      return { topic: decision.input_topic, partition: decision.input_partition, offset: decision.input_offset };
    } catch (thrown) {
      // 'not prepared' is the decoder's word for a schema that was never asked for
      if (toFraudstreamError(thrown).code === 'FS_INTERNAL') this.unknown.push(value);
      return null;
    }
  }
}
