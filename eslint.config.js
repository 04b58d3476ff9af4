import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

// The same table that test/tidy.test.ts enforces; that test also checks who of ours imports whom.
const { layers, wiring, clients, pureModules } = JSON.parse(
  readFileSync(new URL('./scripts/ci/layers.json', import.meta.url), 'utf8'),
);

const impureModules = builtinModules
  .filter((name) => !name.startsWith('_'))
  .flatMap((name) => (name.startsWith('node:') ? [name] : [name, `node:${name}`]))
  .filter((name) => !pureModules.includes(name));

const PORT = 'Pure code: take it from a port (src/domain/clock.ts, a seeded generator, the configuration).';
const PURE = {
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: PORT },
    { object: 'Math', property: 'random', message: PORT },
  ],
  'no-restricted-globals': ['error', { name: 'process', message: PORT }, { name: 'performance', message: PORT }],
};

const IMPURE = { 'no-restricted-properties': 'off', 'no-restricted-globals': 'off' };

/** The last block that matches a file wins: the inner folder comes after the outer one. */
const folders = [...layers, ...wiring.map((path) => ({ path, pure: false }))]
  .sort((a, b) => a.path.length - b.path.length)
  .map(({ path, pure }) => ({
    files: [path.endsWith('.ts') ? path : `${path}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', { paths: [...foreignClients(path), ...(pure ? impureModules : [])] }],
      ...(pure ? PURE : IMPURE),
    },
  }));

function foreignClients(path) {
  return Object.entries(clients)
    .filter(([, home]) => path !== home && !path.startsWith(`${home}/`))
    .map(([name, home]) => ({ name, message: `Only ${home} knows this library.` }));
}

export default defineConfig(
  globalIgnores(['dist/', '.dist-*/', 'out/', 'coverage/', '.cache/', 'training/.venv/', 'test/servers/target/']),
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { eqeqeq: 'error', 'no-var': 'error', 'prefer-const': 'error' },
  },
  { files: ['**/*.{js,mjs}'], rules: { 'no-unused-vars': 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  ...folders,
);
