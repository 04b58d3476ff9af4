import type { EventView } from './event-view.ts';
import type { UserHistory } from './history.ts';
import { MEASURE, windowsBefore } from './layout.ts';
import { measureValues } from './measure-values.ts';
import type { Measures } from './measures.ts';
import { addPanes } from './panes.ts';
import { runScans } from './scans.ts';
import type { WindowTotals } from './window-totals.ts';

/** See `UserHistory.measure`. */
export function measureInOrder(history: UserHistory, totals: WindowTotals, event: EventView, out: Measures): void {
  const { layout, panes } = history;
  const timeMs = event.timeMs;
  if (history.isForgottenAt(timeMs)) {
    out.reset();
    for (let field = 0; field < event.hashes.length; field++) {
      if (event.hashes[field]! < 0) out.valueLastMs[field] = NaN;
    }
    return;
  }
  totals.bringTo(timeMs, history.newestMs);
  const values = out.values;
  values.set(totals.values);
  out.inexactWindows = windowsBefore(layout, timeMs, history.knownFromMs);
  out.inexactDistinct = out.inexactWindows;
  if (panes.length > 0) {
    for (let m = 0, at = 0; at < values.length; m++, at += MEASURE.stride) {
      const w = layout.measureWindow[m]!;
      const filter = layout.measureFilter[m]!;
      const untilMs = timeMs - layout.delaysMs[w]!;
      const fromMs = untilMs - layout.windowsMs[w]!;
      if (panes[panes.length - 1]!.lastMs <= fromMs) continue;
      const cut = addPanes(panes, filter, fromMs, untilMs, values, at);
      // panes know no verdicts
      if (cut || (layout.labelFilters & (1 << filter)) !== 0) out.inexactWindows |= 1 << w;
    }
  }
  measureValues(history, event, out);
  if (layout.scans.length > 0) runScans(history, event, history.rows.end, Infinity, out);
  const lookbackFromMs = timeMs - layout.lookbackMs;
  out.previousMs = history.newestMs > lookbackFromMs ? history.newestMs : -Infinity;
  out.firstSeenMs = history.firstSeenMs;
  out.locatedMs = history.locatedMs > lookbackFromMs ? history.locatedMs : -Infinity;
  out.locatedLatE7 = history.locatedLatE7;
  out.locatedLonE7 = history.locatedLonE7;
  for (let f = 0; f < out.filterLastMs.length; f++) {
    const lastMs = history.filterLastMs[f]!;
    out.filterLastMs[f] = lastMs > lookbackFromMs ? lastMs : -Infinity;
  }
}
