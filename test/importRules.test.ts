import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { expect, test } from 'vitest';

import { temporaryFolder } from './temporaryFolder.ts';

const ROOT = new URL('../', import.meta.url);
const OXLINT = fileURLToPath(new URL('node_modules/oxlint/bin/oxlint', ROOT));

/** Files, and what each of them may and may not import. */
const RULES: Readonly<Record<string, { readonly may: readonly string[]; readonly mayNot: readonly string[] }>> = {
  'text/tokenizer.ts': {
    may: ['./rules.ts'],
    mayNot: [
      'node:fs',
      'valibot',
      '../trainer/cli.ts',
      '../export/bundle.ts',
      '../serve/app.ts',
      '../workers/src/worker.ts',
      '../test/temporaryFolder.ts',
    ],
  },
  'trainer/model/awdLstm.ts': {
    may: ['../../text/errors.ts', '../engine/lstm.ts', 'node:fs', 'valibot'],
    mayNot: [
      '@tensorflow/tfjs-core',
      'onnxruntime-node',
      'onnxruntime-web',
      '../../export/bundle.ts',
      '../../serve/app.ts',
      '../../test/temporaryFolder.ts',
    ],
  },
  'trainer/engine/tensorflow.ts': {
    may: ['@tensorflow/tfjs-node-gpu', '../../text/errors.ts'],
    mayNot: ['onnxruntime-node', '../../export/bundle.ts'],
  },
  'trainer/commands/serve.ts': {
    may: ['../../serve/node/server.ts', '../../export/bundleFolder.ts', '../recipe/pretrain.ts'],
    mayNot: ['@tensorflow/tfjs-core', 'onnxruntime-node', '../../workers/src/worker.ts'],
  },
  'trainer/api/exportClassifier.ts': {
    may: ['../../export/exportModel.ts', '../recipe/trainedClassifier.ts', '../../text/errors.ts'],
    mayNot: ['@tensorflow/tfjs-core', 'onnxruntime-node', '../../workers/src/worker.ts', '../../test/temporaryFolder.ts'],
  },
  'trainer/api/train.ts': { may: ['../recipe/trainClassifier.ts'], mayNot: ['../../export/exportModel.ts', '../../serve/app.ts'] },
  'export/index.ts': {
    may: ['../trainer/api/exportClassifier.ts', './bundle.ts', './bundleFolder.ts'],
    mayNot: [
      '../trainer/api/train.ts',
      '../trainer/recipe/trainedClassifier.ts',
      '../serve/app.ts',
      'onnxruntime-node',
      '@tensorflow/tfjs-core',
    ],
  },
  'serve/index.ts': {
    may: ['./app.ts', './node/server.ts', '../export/bundle.ts'],
    mayNot: ['node:fs', 'onnxruntime-node', '../export/bundleFolder.ts', '../trainer/index.ts', '@tensorflow/tfjs-core'],
  },
  'benchmark/limit.ts': {
    may: ['node:fs', '../trainer/engine/operations.ts', '../text/errors.ts', '../serve/chunkScheduler.ts'],
    mayNot: ['@tensorflow/tfjs-core', 'onnxruntime-node', '../workers/prepare.ts', '../test/temporaryFolder.ts'],
  },
  'benchmark/bareGraph.ts': {
    may: ['onnxruntime-node', '../export/bundleFolder.ts', '../serve/graphRuntime.ts'],
    mayNot: ['@tensorflow/tfjs-core', 'onnxruntime-web', '../workers/prepare.ts', '../test/temporaryFolder.ts'],
  },
  'trainer/commands/benchmark.ts': { may: ['../../benchmark/peer.ts'], mayNot: ['@tensorflow/tfjs-core'] },
  'export/graph/chunkStep.ts': {
    may: ['../../text/errors.ts', '../../trainer/model/presets.ts', '../../trainer/checkpoint/safetensors.ts', '../bundle.ts'],
    mayNot: ['../../trainer/engine/lstm.ts', '../../trainer/version.ts', '../../serve/app.ts', 'onnxruntime-node', '@tensorflow/tfjs-core'],
  },
  'export/parity.ts': {
    may: ['onnxruntime-node', '../trainer/model/presets.ts'],
    mayNot: ['onnxruntime-web', '../trainer/data/readers.ts', '../serve/app.ts'],
  },
  'serve/app.ts': {
    may: ['hono', '../text/errors.ts', '../export/bundle.ts', './routes/classify.ts'],
    mayNot: [
      'node:fs',
      './node/server.ts',
      'onnxruntime-node',
      '../export/bundleFolder.ts',
      '../export/graph/chunkStep.ts',
      '../trainer/model/presets.ts',
    ],
  },
  'serve/routes/classify.ts': { may: ['../errors.ts'], mayNot: ['../node/server.ts', '../../export/parity.ts'] },
  'serve/node/runtime.ts': {
    may: ['node:fs', 'onnxruntime-node', '../app.ts', '../../export/bundle.ts', '../../export/bundleFolder.ts'],
    mayNot: ['onnxruntime-web', '../../export/exportModel.ts', '../../trainer/cli.ts'],
  },
  'workers/src/worker.ts': {
    may: ['onnxruntime-web/wasm', '../../serve/app.ts', '../../text/errors.ts', '../../export/bundle.ts'],
    mayNot: ['onnxruntime-node', 'node:fs', '../../serve/node/server.ts', '../../export/bundleFolder.ts', '../../trainer/cli.ts'],
  },
  'workers/prepare.ts': {
    may: ['node:fs', '../export/bundleFolder.ts'],
    mayNot: ['onnxruntime-node', '../export/exportModel.ts', '../trainer/cli.ts'],
  },
  'text/tokenizer.test.ts': { may: ['vitest', 'node:fs', '../test/temporaryFolder.ts'], mayNot: [] },
};

/** Three ways to import, each on a line of its own. */
function importing(specifier: string, index: number): string {
  return [
    `import { a as a${index} } from '${specifier}';`,
    `export { b as b${index} } from '${specifier}';`,
    `export const c${index} = [a${index}, () => import('${specifier}')];`,
  ].join('\n');
}

interface Report {
  readonly diagnostics: readonly {
    readonly code: string;
    readonly filename: string;
    readonly labels: readonly { readonly span: { readonly line: number } }[];
  }[];
}

test('the lint rules draw the lines between the rooms', async () => {
  const sources = Object.entries(RULES).map(([file, { may, mayNot }]) => [file, [...may, ...mayNot].map(importing).join('\n')]);
  const config = await readFile(new URL('.oxlintrc.json', ROOT), 'utf8');
  const withoutTypes = config.replace('"typeAware": true', '"typeAware": false'); // which needs a whole project
  const folder = await temporaryFolder({ ...Object.fromEntries(sources), '.oxlintrc.json': withoutTypes });
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [OXLINT, '--format=json'], { cwd: folder }, (_, stdout) => resolve(stdout));
  });
  const { diagnostics } = JSON.parse(output) as Report;
  const refused = diagnostics
    .filter(({ code }) => code === 'eslint(no-restricted-imports)')
    .map(({ filename, labels }) => `${filename}:${labels[0]?.span.line}`);
  const expected = Object.entries(RULES).flatMap(([file, { may, mayNot }]) =>
    mayNot.flatMap((_, index) => [1, 2, 3].map((line) => `${file}:${3 * (may.length + index) + line}`)),
  );
  expect(refused.toSorted()).toEqual(expected.toSorted());
});
