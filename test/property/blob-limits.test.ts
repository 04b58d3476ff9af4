import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { parseCatalogue } from '../../src/features/parse.ts';
import { compilePlan } from '../../src/features/plan.ts';
import { decodeHistory } from '../../src/state/blob-decode.ts';
import { encodeHistory } from '../../src/state/blob-encode.ts';
import { EventView } from '../../src/state/event-view.ts';
import { UserHistory } from '../../src/state/history.ts';
import { foldLabel } from '../../src/state/label-fold.ts';
import { filterMask, setMasks } from '../../src/state/layout.ts';
import { seeded } from '../support/random.ts';

const DAY = 86_400_000;

/** As many fields and filters as a catalogue may have, windows up to a year. */
function widest(): ReturnType<typeof compilePlan> {
  const lines = ['version: 1', 'features:', '  - { name: all, aggregate: sum, window: 366d }'];
  for (let k = 0; k < 24; k++)
    lines.push(`  - { name: d${k}, aggregate: distinct, of: attributes.f${k}, window: 366d }`);
  for (let k = 1; k < LIMITS.catalogueFiltersMax; k++) {
    lines.push(`  - { name: c${k}, aggregate: count, window: 366d, where: { amount_minor: { over: ${k} } } }`);
  }
  return compilePlan(parseCatalogue(lines.join('\n'), 'widest.yaml'), DAY);
}

/** The same, with as many kept features, and filters that ask for verdicts. */
function heaviest(): ReturnType<typeof compilePlan> {
  const lines = ['version: 1', 'features:', '  - { name: all, aggregate: sum, window: 366d }'];
  for (let k = 0; k < 24; k++)
    lines.push(`  - { name: d${k}, aggregate: distinct, of: attributes.f${k}, window: 366d }`);
  const { keptFeaturesMax, catalogueFiltersMax } = LIMITS;
  for (let k = 0; k < keptFeaturesMax; k++) lines.push(`  - { name: s${k}, aggregate: sum, window: ${k + 1}d }`);
  for (let k = 1; k < catalogueFiltersMax; k++) {
    const label = ['fraud', 'genuine', 'unknown'][k % 3];
    const where = `s${k % keptFeaturesMax}: { over: ${k} }, label: ${label}`;
    lines.push(`  - { name: c${k}, aggregate: count, window: 366d, where: { ${where} } }`);
  }
  return compilePlan(parseCatalogue(lines.join('\n'), 'heaviest.yaml'), DAY);
}

describe('a blob', () => {
  it('never exceeds its maximum: kept features and verdicts on every payment', () => {
    const { layout } = heaviest();
    const random = seeded(12);
    const view = new EventView(layout);
    let history = new UserHistory(layout);
    let timeMs = Date.UTC(2026, 0, 1);
    const count = LIMITS.keptRowsMax + 1_500;
    for (let k = 0; k < count; k++) {
      timeMs += Math.floor(random() * 1_000_000);
      view.timeMs = timeMs;
      view.amountMinor = Number.MAX_SAFE_INTEGER - Math.floor(random() * 1_000);
      view.offset = k * 2 ** 37;
      view.transactionHash = Math.floor(random() * 2 ** 32);
      view.contentHash = Math.floor(random() * 2 ** 24);
      view.latE7 = Math.floor(random() * 1.8e9 - 9e8);
      view.lonE7 = Math.floor(random() * 3.6e9 - 1.8e9);
      const fresh = k < 3_000 || k > count - 1_500;
      for (let field = 0; field < view.hashes.length; field++) {
        view.hashes[field] = fresh ? Math.floor(random() * 2 ** 32) : (k * 7 + field * 13) % 1_024;
      }
      view.kept.fill(2 ** 50 - Math.floor(random() * 1_000));
      setMasks(layout, view);
      history.fold(view);
      const label = { fraud: random() < 0.5, labelledAtMs: 4e12, offset: 2 * k };
      foldLabel(history, { ...label, transactionHash: view.transactionHash, timeMs });
      // of a payment that will never come
      foldLabel(history, { ...label, transactionHash: 7, timeMs: timeMs + DAY + k, offset: 2 * k + 1 });
    }
    const blob = encodeHistory(history);
    history = decodeHistory(blob, layout, new EventView(layout));
    expect(Buffer.from(encodeHistory(history)).equals(Buffer.from(blob))).toBe(true);
    expect(history.panes.length).toBeGreaterThan(0);
    expect(history.pendingLabels.size).toBe(LIMITS.pendingLabelsMax);
    expect(blob.length).toBeLessThanOrEqual(LIMITS.blobBytesMax);
    expect(blob.length).toBeGreaterThan(LIMITS.blobBytesMax / 4);
  });

  for (const [name, valuesAreNew, gapMsMax] of [
    ['only new values in 24 fields', true, 1_000_000],
    ['values that differ from row to row, but come back', false, 1_000_000],
    ['all within one second', false, 0],
  ] as const) {
    it(`never exceeds its maximum: ${name}`, () => {
      const { layout } = widest();
      const random = seeded(11);
      const view = new EventView(layout);
      let history = new UserHistory(layout);
      let largest = 0;
      let timeMs = Date.UTC(2026, 0, 1);
      const count = LIMITS.rowsMax + 2_500;
      for (let k = 0; k < count; k++) {
        timeMs += Math.floor(random() * gapMsMax);
        view.timeMs = timeMs - (random() < 0.05 ? Math.floor(random() * DAY) : 0);
        view.amountMinor = Number.MAX_SAFE_INTEGER - Math.floor(random() * 1_000);
        // Offsets of a log only rise, but they may leap.
        view.offset = k * 2 ** 37 + Math.floor(random() * 2 ** 36);
        view.transactionHash = Math.floor(random() * 2 ** 40);
        view.contentHash = Math.floor(random() * 2 ** 24);
        view.latE7 = Math.floor(random() * 1.8e9 - 9e8);
        view.lonE7 = Math.floor(random() * 3.6e9 - 1.8e9);
        // New values are the costliest to fold: only as many as fill the dictionary several times.
        const fresh = valuesAreNew && (k < 3_000 || k > count - 3_000);
        for (let field = 0; field < view.hashes.length; field++) {
          view.hashes[field] = fresh ? Math.floor(random() * 2 ** 32) : (k * 7 + field * 13) % 1_024;
        }
        view.filterMask = filterMask(layout, view.hashes, view.amountMinor);
        if (!history.isLate(view.timeMs)) history.fold(view);
        if (k % 4_096 !== 0 && k !== count - 1) continue;
        const blob = encodeHistory(history);
        largest = Math.max(largest, blob.length);
        history = decodeHistory(blob, layout, new EventView(layout));
        expect(Buffer.from(encodeHistory(history)).equals(Buffer.from(blob))).toBe(true);
      }
      expect(history.dictionary.size).toBeLessThanOrEqual(LIMITS.dictionaryEntriesMax);
      expect(history.panes.length).toBeGreaterThan(0);
      expect(largest).toBeLessThanOrEqual(LIMITS.blobBytesMax);
      expect(largest).toBeGreaterThan(LIMITS.blobBytesMax / 4);
    });
  }

  it('that was cut or changed is refused or read, never a crash', () => {
    const { layout } = widest();
    const random = seeded(3);
    const view = new EventView(layout);
    const history = new UserHistory(layout);
    for (let k = 0; k < 30; k++) {
      view.timeMs = 1_770_000_000_000 + k * 1_000;
      view.offset = k;
      view.amountMinor = k;
      view.hashes.fill(k % 5);
      history.fold(view);
    }
    const blob = encodeHistory(history);
    let refused = 0;
    for (let n = 0; n < 3_000; n++) {
      const bad = n < blob.length ? blob.slice(0, n) : blob.slice();
      if (n >= blob.length) bad[Math.floor(random() * bad.length)] = Math.floor(random() * 256);
      try {
        decodeHistory(bad, layout, new EventView(layout));
      } catch (error) {
        refused++;
        expect((error as { code?: string }).code).toMatch(/^FS_STATE_(CORRUPT|LAYOUT)$/);
      }
    }
    expect(refused).toBeGreaterThan(blob.length - 1);
  });
});
