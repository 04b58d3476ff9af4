import { inject } from 'vitest';
import { realBackend } from '../conformance/kafka-real-backend.ts';
import { kafkaSuite } from '../conformance/kafka-suite.ts';

kafkaSuite('brokers', () => realBackend(inject('kafka')));
