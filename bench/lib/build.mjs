// What is measured: dist/, or the build that BENCH_DIST names, so that two builds can be compared.
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

export const ROOT = resolve(import.meta.dirname, '../..');
const DIST = resolve(ROOT, process.env.BENCH_DIST ?? 'dist');
export const MAIN = join(DIST, 'main.js');

/** A module of the build: `load('transport/kafka/client')`. */
export const load = (name) => import(pathToFileURL(join(DIST, `${name}.js`)).href);
