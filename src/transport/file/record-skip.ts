import type { AvroType } from '../../codec/avro-schema.ts';

/**
 * Returns where the record that starts at `pos` ends, or -1 when its lengths lead out of `bytes[0, end)`. Only lengths
 * are followed; values are the decoder's business: a record with a bad value must not cost its neighbours in the block.
 */
export type RecordEnd = (bytes: Buffer, pos: number, end: number) => number;

interface Walk {
  bytes: Buffer;
  pos: number;
  end: number;
  /** items that take no bytes, such as nulls, may not be counted for ever */
  budget: number;
  depth: number;
}

type Step = (walk: Walk) => void;

const EMPTY = Buffer.alloc(0);
const BUDGET = 1_000_000;
const DEPTH_MAX = 64;

/** Compiles a writer schema to a walk over its records' lengths. */
export function compileRecordEnd(type: AvroType): RecordEnd {
  const step = compile(type, new Map());
  const walk: Walk = { bytes: EMPTY, pos: 0, end: 0, budget: 0, depth: 0 };
  return (bytes, pos, end) => {
    walk.bytes = bytes;
    walk.pos = pos;
    walk.end = end;
    walk.budget = BUDGET;
    walk.depth = 0;
    step(walk);
    return walk.pos <= end ? walk.pos : -1;
  };
}

function compile(type: AvroType, memo: Map<AvroType, Step>): Step {
  switch (type.kind) {
    case 'null':
      return () => {};
    case 'boolean':
      return fixed(1);
    case 'int':
    case 'long':
    case 'enum':
      return (walk) => void varint(walk);
    case 'float':
      return fixed(4);
    case 'double':
      return fixed(8);
    case 'fixed':
      return fixed(type.size);
    case 'bytes':
    case 'string':
      return skipText;
    case 'union': {
      const steps = type.branches.map((branch) => compile(branch, memo));
      return (walk) => {
        const step = steps[varint(walk)];
        if (step === undefined) give(walk);
        else step(walk);
      };
    }
    case 'array':
      return blocks(compile(type.items, memo));
    case 'map': {
      const value = compile(type.items, memo);
      return blocks((walk) => {
        skipText(walk);
        value(walk);
      });
    }
    case 'record': {
      const known = memo.get(type);
      if (known !== undefined) return known;
      const steps: Step[] = [];
      const step: Step = (walk) => {
        if (++walk.depth > DEPTH_MAX) give(walk);
        for (const each of steps) {
          if (walk.pos > walk.end) break;
          each(walk);
        }
        walk.depth--;
      };
      memo.set(type, step);
      for (const field of type.fields) steps.push(compile(field.type, memo));
      return step;
    }
  }
}

function fixed(size: number): Step {
  return (walk) => {
    walk.pos += size;
  };
}

function blocks(item: Step): Step {
  return (walk) => {
    for (;;) {
      let count = varint(walk);
      if (count === 0 || walk.pos > walk.end) return;
      if (count < 0) {
        count = -count;
        varint(walk);
      }
      for (let i = 0; i < count; i++) {
        if (walk.pos > walk.end || --walk.budget < 0) return give(walk);
        item(walk);
      }
    }
  };
}

function skipText(walk: Walk): void {
  const length = varint(walk);
  if (length < 0) give(walk);
  else walk.pos += length;
}

/** A zigzag varint; beyond 2^53 only roughly, which no length is. */
function varint(walk: Walk): number {
  let sum = 0;
  let factor = 1;
  for (let i = 0; i < 10 && walk.pos < walk.end; i++) {
    const byte = walk.bytes[walk.pos++] ?? 0;
    sum += (byte & 0x7f) * factor;
    if (byte < 0x80) return sum % 2 === 0 ? sum / 2 : -(sum + 1) / 2;
    factor *= 128;
  }
  give(walk);
  return 0;
}

/** No way on. */
function give(walk: Walk): void {
  walk.pos = walk.end + 1;
}
