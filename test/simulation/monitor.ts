import { snapshotOf, type Snapshot } from './oracle.ts';
import type { World } from './world.ts';

/** snapshots of the state of one partition that are kept for the oracle */
const SNAPSHOTS_MAX = 6;

/** Looks at the world after each step: what must hold at any time. */
export class Monitor {
  readonly faults: string[] = [];
  private readonly world: World;
  private readonly marks: { watermark: number | null }[];
  private readonly kept: Snapshot[][];
  private readonly random;

  constructor(world: World) {
    this.world = world;
    this.random = world.random.stream('monitor');
    this.marks = Array.from({ length: world.plan.partitions }, () => ({ watermark: null }));
    this.kept = this.marks.map(() => []);
  }

  /** w ≤ C, always. */
  look(): readonly string[] {
    for (const [partition, mark] of this.marks.entries()) {
      const { committed, watermark } = this.world.standing(partition);
      if (watermark !== null && (committed === null || watermark > committed)) {
        this.faults.push(`state/${partition} is at ${watermark}, the committed position is ${committed}`);
      }
      if (watermark === mark.watermark) continue;
      mark.watermark = watermark;
      this.keep(partition);
    }
    return this.faults;
  }

  /** Everything that can be read is decided, and the state has followed. */
  isCaughtUp(): boolean {
    return this.marks.every((_, partition) => {
      const { committed, watermark } = this.world.standing(partition);
      return committed !== null && committed > this.lastReadable(partition) && watermark === committed;
    });
  }

  onlyStateIsBehind(): number[] {
    return [...this.marks.keys()].filter((partition) => {
      const { committed, watermark } = this.world.standing(partition);
      return committed !== null && committed > this.lastReadable(partition) && watermark !== committed;
    });
  }

  standings(): string {
    return this.marks
      .map((_, partition) => {
        const { committed, watermark } = this.world.standing(partition);
        return `${partition}: last record ${this.lastReadable(partition)}, position ${committed}, state ${watermark}`;
      })
      .join('; ');
  }

  snapshots(partition: number): readonly Snapshot[] {
    return this.kept[partition] as Snapshot[];
  }

  private lastReadable(partition: number): number {
    return this.world.lastReadable(partition);
  }

  /** Some of them, at random, of the whole history: a reservoir. */
  private keep(partition: number): void {
    const kept = this.kept[partition] as Snapshot[];
    if (kept.length >= SNAPSHOTS_MAX && !this.random.chance(0.15)) return;
    const snapshot = snapshotOf(this.world, partition);
    if (snapshot === null) return;
    if (kept.length < SNAPSHOTS_MAX) kept.push(snapshot);
    else kept[this.random.int(0, SNAPSHOTS_MAX - 1)] = snapshot;
  }
}
