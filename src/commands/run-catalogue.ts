import { FraudstreamError } from '../domain/errors.ts';
import type { Logger } from '../domain/logger.ts';
import type { Plan } from '../features/plan.ts';

/**
 * What the inputs cannot answer yet must not be scored in silence. Throws FS_CATALOGUE_INVALID for features over verdicts, which
 * would see none.
 */
export function checkCatalogue({ catalogue, entities }: Plan, log: Pick<Logger, 'warn'>): void {
  const over = catalogue.features.find(({ where, among }) => [...where, ...among].some(({ kind }) => kind === 'label'));
  if (over) {
    const detail = `${over.name} is over verdicts, which run does not read; replay and export-features do`;
    throw new FraudstreamError('FS_CATALOGUE_INVALID', detail);
  }
  if (entities.length === 1) return;
  const names = entities.slice(1).map(({ name }) => name);
  log.warn('each partition knows of these entities what its own users did there', { entities: names.join(' ') });
}
