// Result tables in Markdown.

const METRICS = ['auc', 'ap', 'cp100'];

/** [[mean, population standard deviation], …] of AUC, AP and CP@100 over the folds */
export function overFolds(results) {
  return METRICS.map((metric) => {
    const values = results.map((result) => result[metric]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
    return [mean, Math.sqrt(variance)];
  });
}

const three = (value) => value.toFixed(3).replace(/^0/, '');
export const spread = (pairs) => pairs.map(([mean, deviation]) => `${three(mean)} ± ${three(deviation)}`).join(' / ');
export const plain = (values) => (values === null ? '' : values.map(three).join(' / '));
export const ofResult = (result) => METRICS.map((metric) => result[metric]);

/** @param rows arrays of cells; the first is the header */
export function markdown(rows) {
  const widths = rows[0].map((_, column) => Math.max(3, ...rows.map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  const [head, ...body] = rows.map(line);
  return [head, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body].join('\n');
}
