import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { engineLayout, packageFolder } from './cache.ts';
import { loadTensorFlow } from './tensorflow.ts';
import { ENGINE_MISSING, UNSUPPORTED, cacheWithLibrary, commandSource, start } from './testSupport.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ulmfit-tensorflow-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const MODULE = JSON.stringify(new URL('./tensorflow.ts', import.meta.url).href);
const PRODUCT = `
  import { loadTensorFlow } from ${MODULE};
  const { tf, backend } = await loadTensorFlow();
  console.log(tf.matMul(tf.tensor2d([[1, 2]]), tf.tensor2d([[3], [4]])).dataSync().join(), tf.getBackend());`;

test.skipIf(UNSUPPORTED)('where the engine is not installed, says how to install it', async () => {
  const source = `import { loadTensorFlow } from ${MODULE};
    await loadTensorFlow().catch((error) => console.log(error.name, error.message));`;
  const { stdout } = await start(source, { ULMFIT_CACHE: folder }).ending;
  expect(stdout).toMatch(/^UserError The training engine is not installed\. Run `npx ulmfit setup`/);
});

describe.skipIf(ENGINE_MISSING)('the installed engine', () => {
  test('loads without a word on stderr and leaves node_modules as it is', async () => {
    const ending = await start(PRODUCT, { TF_CPP_MIN_LOG_LEVEL: undefined }).ending;
    expect(ending).toEqual({ status: 0, signal: null, stdout: '11 tensorflow\n', stderr: '' });
    expect(existsSync(join(packageFolder('@tensorflow/tfjs-node-gpu'), 'lib'))).toBe(false);
  });

  test('shows everything to whoever sets the log level', async () => {
    const ending = await start(PRODUCT, { TF_CPP_MIN_LOG_LEVEL: '0' }).ending;
    expect(ending).toMatchObject({ status: 0, stdout: '11 tensorflow\n' });
    expect(ending.stderr).toContain('oneDNN custom operations are on');
  });

  test('says what is wrong and how to repair it where the binding does not load', async () => {
    cacheWithLibrary(folder);
    const { addons, binding } = engineLayout(folder);
    cpSync(engineLayout().addons, addons, { recursive: true });
    writeFileSync(join(addons, basename(binding.path)), 'not a library');
    const ending = await start(PRODUCT, { ULMFIT_CACHE: folder, TF_CPP_MIN_LOG_LEVEL: undefined }).ending;
    expect(ending.status).toBe(1);
    expect(ending.stderr).toMatch(/does not load; `npx ulmfit setup` repairs it: .*(file too short|invalid ELF header)/);
    const doctor = await start(commandSource('doctor'), { ULMFIT_CACHE: folder }).ending;
    expect(doctor).toMatchObject({ status: 1, stderr: '' });
    expect(doctor.stdout).toMatch(/\nmissing {2}Engine .*\n[^]*The installed engine does not work; run `npx ulmfit setup`/);
  });

  test('is the same object every time', async () => {
    expect(await loadTensorFlow()).toBe(await loadTensorFlow());
  });

  test('runs operations that tfjs has no name for', async () => {
    const { tf, backend, attributes } = await loadTensorFlow();
    const half = backend.executeSingleOutput('L2Loss', [attributes.type('T', attributes.float32)], [tf.tensor1d([3, 4])]);
    expect([...half.dataSync()]).toEqual([12.5]);
    const parts = backend.executeMultipleOutputs(
      'Unpack',
      [attributes.integer('num', 2), attributes.integer('axis', 0), attributes.type('T', attributes.float32)],
      [
        tf.tensor2d([
          [1, 2],
          [3, 4],
        ]),
      ],
      2,
    );
    expect(parts.map((part) => [...part.dataSync()])).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  test('runs operations on bare handles, in types that tfjs does not know', async () => {
    const { tf, backend, attributes } = await loadTensorFlow();
    const cast = (id: number, from: number, to: number) => {
      const types = [attributes.type('SrcT', from), attributes.type('DstT', to), attributes.boolean('Truncate', false)];
      const [result] = backend.binding.executeOp('Cast', types, [id], 1);
      if (result === undefined) throw new Error('Cast has one output');
      return result;
    };
    const x = tf.tensor1d([1, 1 + 1 / 512]);
    const [id = -1] = backend.getInputTensorIds([x]);
    const before = backend.binding.getNumOfTensors();
    const rounded = cast(id, attributes.float32, attributes.bfloat16);
    expect(rounded).toMatchObject({ shape: [2], dtype: attributes.bfloat16 });
    const back = backend.createOutputTensor(cast(rounded.id, attributes.bfloat16, attributes.float32));
    backend.binding.deleteTensor(rounded.id);
    // bfloat16 keeps 8 bits of the fraction.
    expect([...back.dataSync()]).toEqual([1, 1]);
    back.dispose();
    expect(backend.binding.getNumOfTensors()).toBe(before);
  });
});
