// Runs seeds in a process of its own: takes them as messages, answers with what each has come to.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
// What the models throw is an answer mostly: nobody looks at where it came from.
Error.stackTraceLimit = 4;
const { simulate } = await import(pathToFileURL(join(folder, 'test/simulation/simulation.js')));

process.on('message', async (seeds) => {
  for (const seed of seeds) {
    const startMs = performance.now();
    try {
      const result = await simulate(seed);
      process.send({ ...result, injected: [...result.injected], ms: performance.now() - startMs });
    } catch (error) {
      process.send({ seed, faults: [`threw ${error.stack}`], events: 0, steps: 0, injected: [], traceHash: '', ms: 0 });
    }
  }
  process.send('more');
});
process.on('disconnect', () => process.exit(0));
process.send('more');
