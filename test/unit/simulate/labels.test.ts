import { describe, expect, it } from 'vitest';
import { simulateLabels } from '../../../src/simulate/labels.ts';
import { simulate } from '../../../src/simulate/simulate.ts';

const events = [...simulate({ users: 2_000, days: 7 })];
const truth = new Map(events.map((event) => [event.transaction.transaction_id, event.isFraud]));
const fraudCount = [...truth.values()].filter(Boolean).length;

describe('labels', () => {
  it('all: every fraud once and nothing else', () => {
    const labels = [...simulateLabels(events, 'all', 1)];
    expect(labels).toHaveLength(fraudCount);
    expect(new Set(labels.map((label) => label.transaction_id)).size).toBe(fraudCount);
    expect(labels.every((label) => label.is_fraud && truth.get(label.transaction_id) === true)).toBe(true);
  });

  it('delayed: hours to weeks later, in order, not all fraud, some honest payments', () => {
    const labels = [...simulateLabels(events, 'delayed', 1)];
    let last = 0;
    for (const label of labels) {
      expect(label.labelled_at).toBeGreaterThanOrEqual(last);
      last = label.labelled_at;
      const delayHours = (label.labelled_at - label.event_time) / 3_600_000;
      expect(delayHours).toBeGreaterThan(label.source === 'CHARGEBACK' ? 71 : 0.1);
      if (!label.is_fraud) expect(truth.get(label.transaction_id)).toBe(false);
    }
    const found = labels.filter((label) => label.is_fraud && truth.get(label.transaction_id) === true).length;
    expect(found / fraudCount).toBeGreaterThan(0.8);
    expect(found / fraudCount).toBeLessThan(0.95);
    expect(labels.filter((label) => !label.is_fraud).length).toBeGreaterThan(20);
    expect(new Set(labels.map((label) => label.source))).toEqual(new Set(['CUSTOMER', 'ANALYST', 'CHARGEBACK']));
    expect([...simulateLabels(events, 'delayed', 1)]).toEqual(labels);
  });
});
