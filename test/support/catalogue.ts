import { parseCatalogue } from '../../src/features/parse.ts';
import type { Catalogue } from '../../src/features/catalogue.ts';

/** Every aggregate over several windows, with and without the current payment, with and without filters. */
export function everyAggregate(): Catalogue {
  const lines = ['version: 1', 'features:', '  - { name: amount, aggregate: amount }'];
  for (const window of ['1m', '10m', '1h', '1d', '7d', '30d']) {
    for (const aggregate of ['count', 'sum', 'mean', 'std', 'min', 'max', 'zscore', 'ratio_to_mean', 'ratio_to_max']) {
      lines.push(`  - { name: ${aggregate}_${window}, aggregate: ${aggregate}, window: ${window} }`);
      lines.push(
        `  - { name: ${aggregate}_${window}_x, aggregate: ${aggregate}, window: ${window}, current: exclude }`,
      );
    }
    for (const field of ['merchant_id', 'mcc', 'country', 'device_id', 'ip', 'attributes.auth_result']) {
      const name = field.replace('.', '_');
      lines.push(`  - { name: distinct_${name}_${window}, aggregate: distinct, of: ${field}, window: ${window} }`);
      lines.push(
        `  - { name: distinct_${name}_${window}_x, aggregate: distinct, of: ${field}, window: ${window}, current: exclude }`,
      );
      lines.push(`  - { name: new_${name}_${window}, aggregate: is_new, of: ${field}, window: ${window} }`);
    }
    lines.push(`  - { name: ecom_${window}, aggregate: share, window: ${window}, where: { channel: ECOM } }`);
    lines.push(
      `  - { name: declined_${window}, aggregate: count, window: ${window}, where: { attributes.auth_result: declined } }`,
    );
    lines.push(
      `  - { name: big_${window}, aggregate: sum, window: ${window}, where: { amount_minor: { over: 5000 }, country: { not: [DE, FR] } } }`,
    );
  }
  for (const [window, delay] of [
    ['10m', '1m'],
    ['1d', '1d'],
    ['7d', '6h'],
    ['30d', '7d'],
  ]) {
    for (const aggregate of ['count', 'sum', 'mean', 'std', 'min', 'max', 'zscore', 'ratio_to_mean', 'ratio_to_max']) {
      lines.push(
        `  - { name: ${aggregate}_${window}_after_${delay}, aggregate: ${aggregate}, window: ${window}, delay: ${delay} }`,
      );
    }
    lines.push(
      `  - { name: ecom_${window}_after_${delay}, aggregate: share, window: ${window}, delay: ${delay}, where: { channel: ECOM } }`,
    );
  }
  lines.push('  - { name: since_last, aggregate: time_since_last }');
  lines.push('  - { name: since_ecom, aggregate: time_since_last, where: { channel: [ECOM, MOTO] } }');
  lines.push('  - { name: since_merchant, aggregate: time_since_value, of: merchant_id }');
  lines.push('  - { name: since_first, aggregate: time_since_first }');
  lines.push('  - { name: speed, aggregate: speed_kmh }', '  - { name: distance, aggregate: distance_km }');
  lines.push('  - { name: is_ecom, aggregate: matches, where: { channel: ECOM } }');
  lines.push('  - { name: hour, aggregate: hour_of_day }', '  - { name: weekday, aggregate: day_of_week }');
  lines.push('  - { name: pace, aggregate: ratio, of: [count_1h, count_1d] }');
  lines.push('  - { name: gap, aggregate: difference, of: [max_1d, mean_1d] }');
  return parseCatalogue(lines.join('\n'), 'every.yaml');
}
