import { kafkaSuite } from './kafka-suite.ts';
import { modelBackend } from './kafka-model-backend.ts';

kafkaSuite('model', () => modelBackend());
kafkaSuite('model, markers late', () => modelBackend({ markerDelayMs: () => 40 }));
kafkaSuite('model, three brokers, the offsets last', () =>
  modelBackend({ brokers: 3, markerDelayMs: (place) => (place.startsWith('offsets:') ? 90 : 10) }),
);
