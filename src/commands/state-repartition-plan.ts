import type { Facts } from '../delivery/facts.ts';
import type { Position } from '../delivery/position.ts';
import { FraudstreamError } from '../domain/errors.ts';
import type { LogIdentity } from '../domain/log-mark.ts';

/** Kept as the attempt of the first stage while all histories are staged. */
export interface RepartitionMarker {
  readonly from: number;
  readonly to: number;
  /** of the states that were staged, by partition; null = there was none */
  readonly watermarks: readonly (number | null)[];
  /** histories are complete since then, ms; 0 = from the beginning */
  readonly knownSinceMs: number;
}

export interface RepartitionPlan {
  readonly from: number;
  readonly to: number;
  /** every history is in the stages */
  readonly staged: RepartitionMarker | null;
  /** partitions that are not yet done */
  readonly left: readonly number[];
}

/**
 * From the facts of all partitions of the topic, and what an earlier run has left: what is to be done. Null: nothing, all positions have
 * this count. Pure. Throws FS_CONFIG_INVALID, FS_LOG_CHANGED, FS_PARTITIONS_CHANGED, FS_POSITION_….
 */
export function planRepartition(
  all: readonly Facts[],
  identity: LogIdentity,
  fingerprint: string,
  marker: RepartitionMarker | null,
): RepartitionPlan | null {
  const positions = all.map(positionOf);
  const counts = new Set(positions.flatMap((one) => (one === null ? [] : [one.mark.partitions])));
  for (const position of positions) {
    if (position === null) continue;
    const { clusterId, topicId } = position.mark;
    if (clusterId !== identity.clusterId || topicId !== identity.topicId) {
      throw new FraudstreamError(
        'FS_LOG_CHANGED',
        'positions belong to another log; use fraudstream state rebase first',
      );
    }
  }
  const to = identity.partitions;
  const old = [...counts].filter((count) => count !== to);
  const staged = marker !== null && marker.to === to && isAsStaged(all, marker, positions) ? marker : null;
  const left = all.flatMap((_, partition) => (positions[partition]?.mark.partitions === to ? [] : [partition]));
  if (left.length === 0 || (old.length === 0 && staged === null)) return null;
  if (staged !== null) return { from: staged.from, to, staged, left };
  if (old.length > 1 || counts.has(to)) {
    const found = [...counts].sort((a, b) => a - b).join(', ');
    const detail = `positions were made with different counts of partitions (${found}), and what was begun is gone: drop the state of all partitions, and accept --redecide or --skip each`;
    throw new FraudstreamError('FS_PARTITIONS_CHANGED', detail);
  }
  const [from = to] = old;
  if (from > to)
    throw new FraudstreamError(
      'FS_PARTITIONS_CHANGED',
      `the topic had ${from} partitions and has ${to}: it was made anew`,
    );
  all.slice(0, from).forEach((facts) => checkSource(facts, fingerprint));
  return { from, to, staged: null, left };
}

function checkSource(facts: Facts, fingerprint: string): void {
  const { state, committed, key } = facts;
  const where = `${key.topic}/${key.partition}`;
  if (committed === null && state.watermark === null) return;
  const position = positionOf(facts);
  if (position === null) {
    throw new FraudstreamError('FS_POSITION_FOREIGN', `${where} has no valid position; see fraudstream state inspect`);
  }
  if (state.watermark === null || facts.note === null) {
    const detail = `${where} has no state: build it first, with the count of partitions that it had: fraudstream state rebuild`;
    throw new FraudstreamError('FS_STATE_CORRUPT', detail);
  }
  if (state.fingerprint !== fingerprint) {
    const detail = `${where}: the histories were kept by another catalogue; use the one that wrote them`;
    throw new FraudstreamError('FS_STATE_LAYOUT', detail);
  }
  if (state.watermark > position.offset) {
    throw new FraudstreamError(
      'FS_STATE_AHEAD',
      `the state of ${where} reaches ${state.watermark}, its position is ${position.offset}`,
    );
  }
}

/** Nobody has gone on with the old count since: partitions that are not done have the state that was staged, or a half-written new one. */
function isAsStaged(
  all: readonly Facts[],
  marker: RepartitionMarker,
  positions: readonly (Position | null)[],
): boolean {
  return all.every(({ state, note }, partition) => {
    if (positions[partition]?.mark.partitions === marker.to) return true;
    if (partition >= marker.from || note === null || note.mark.partitions === marker.to) return true;
    return state.watermark === marker.watermarks[partition];
  });
}

export function positionOf({ committed }: Facts): Position | null {
  return committed !== null && typeof committed.position === 'object' ? committed.position : null;
}

export function repartitionMarkerOf(text: string | null): RepartitionMarker | null {
  if (text === null) return null;
  try {
    const marker = JSON.parse(text) as Partial<RepartitionMarker> | null;
    const sound =
      typeof marker?.from === 'number' &&
      typeof marker.to === 'number' &&
      typeof marker.knownSinceMs === 'number' &&
      Array.isArray(marker.watermarks);
    return sound ? (marker as RepartitionMarker) : null;
  } catch {
    return null;
  }
}
