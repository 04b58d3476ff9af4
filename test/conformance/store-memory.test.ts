import { MemoryStateStore } from '../../src/state/memory-store.ts';
import { storeSuite } from './store-suite.ts';

storeSuite('memory', () => Promise.resolve(new MemoryStateStore()));
