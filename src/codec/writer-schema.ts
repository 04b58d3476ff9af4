import { FraudstreamError } from '../domain/errors.ts';
import { type AvroType, isPrimitive } from './avro-schema.ts';

/** Do two schemas describe the same bytes for the same fields? `ours` is not recursive. */
export function sameWire(theirs: AvroType, ours: AvroType): boolean {
  switch (ours.kind) {
    case 'record':
      return (
        theirs.kind === 'record' &&
        theirs.fields.length === ours.fields.length &&
        ours.fields.every((field, i) => {
          const other = theirs.fields[i]!;
          return other.name === field.name && sameWire(other.type, field.type);
        })
      );
    case 'enum':
      return theirs.kind === 'enum' && theirs.symbols.join() === ours.symbols.join();
    case 'union':
      return (
        theirs.kind === 'union' &&
        theirs.branches.length === ours.branches.length &&
        ours.branches.every((branch, i) => sameWire(theirs.branches[i]!, branch))
      );
    case 'map':
    case 'array':
      return theirs.kind === ours.kind && sameWire(theirs.items, ours.items);
    case 'fixed':
      return theirs.kind === 'fixed' && theirs.size === ours.size;
    default:
      return theirs.kind === ours.kind;
  }
}

/** A value of microseconds read as milliseconds is a time far away, not an error: the schema has to say it. */
export function requireMillis(type: AvroType): void {
  const branches = type.kind === 'union' ? type.branches : [type];
  for (const branch of branches) {
    if (isPrimitive(branch) && branch.logical !== null && branch.logical !== 'timestamp-millis') {
      refuseWriter('event_time', 'its logical type is not timestamp-millis');
    }
  }
}

/** @throws FraudstreamError FS_SCHEMA_INCOMPATIBLE. `field`: of ours, or empty */
export function refuseWriter(field: string, detail: string): never {
  const where = field === '' ? detail : `field ${field}: ${detail}`;
  throw new FraudstreamError('FS_SCHEMA_INCOMPATIBLE', where, field === '' ? {} : { field });
}
