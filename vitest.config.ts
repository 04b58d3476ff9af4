import { defineConfig } from 'vitest/config';

const project = (name: string, include: string[], extra: object = {}) => ({
  test: { name, include, environment: 'node', testTimeout: 30_000, ...extra },
});

export default defineConfig({
  test: {
    projects: [
      project('unit', [
        'test/unit/**/*.test.ts',
        'test/conformance/**/*.test.ts',
        'test/simulation/**/*.test.ts',
        'test/regressions/**/*.test.ts',
        'test/tidy.test.ts',
      ]),
      project('property', ['test/property/**/*.test.ts'], { testTimeout: 60_000 }),
      project('servers', ['test/integration/**/*.test.ts', 'test/e2e/**/*.test.ts', 'test/chaos/**/*.test.ts'], {
        testTimeout: 180_000,
        hookTimeout: 180_000,
        fileParallelism: false,
        globalSetup: ['test/servers/global-setup.ts'],
      }),
    ],
  },
});
