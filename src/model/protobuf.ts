import { FraudstreamError } from '../domain/errors.ts';

/** One field of a protobuf message: where its content lies, or its number. */
export interface ProtobufField {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 bytes with a length, 5 four bytes */
  readonly wireType: number;
  /** of a varint; 0 for the others */
  readonly value: number;
  /** content: bytes start … end */
  readonly start: number;
  readonly end: number;
}

/**
 * The fields of the message in bytes from … to, in their order.
 * @throws FraudstreamError FS_MODEL_INVALID if the bytes are not a protobuf message
 */
export function* fieldsOf(bytes: Uint8Array, from: number, to: number): Generator<ProtobufField> {
  let at = from;
  while (at < to) {
    const tag = readVarint(bytes, at, to);
    const wireType = tag.value % 8;
    let start = tag.next;
    let value = 0;
    let end: number;
    if (wireType === 0) {
      const read = readVarint(bytes, start, to);
      value = read.value;
      end = read.next;
    } else if (wireType === 2) {
      const length = readVarint(bytes, start, to);
      start = length.next;
      end = start + length.value;
    } else if (wireType === 1 || wireType === 5) {
      end = start + (wireType === 1 ? 8 : 4);
    } else {
      throw invalid('it is not an ONNX protobuf');
    }
    if (end > to) throw invalid('it is cut off');
    yield { number: Math.floor(tag.value / 8), wireType, value, start, end };
    at = end;
  }
}

/** Lengths and tags fit 53 bits; longer varints (negative int64) are read past, their value is not exact. */
export function readVarint(bytes: Uint8Array, from: number, to: number): { value: number; next: number } {
  let value = 0;
  let scale = 1;
  for (let at = from; at < to && at < from + 10; at++) {
    const byte = bytes[at]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return { value, next: at + 1 };
    scale *= 128;
  }
  throw invalid('it is cut off or not an ONNX protobuf');
}

export function invalid(what: string): FraudstreamError {
  return new FraudstreamError('FS_MODEL_INVALID', `model.onnx: ${what}`);
}
