/** The limit of onnxruntime-web's memory: beyond it one request fails, and the isolate lives on. */
import { createExecutionContext } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import ortModule, { ALLOCATE } from '#onnxruntime-module';
import { expect, inject, it, vi } from 'vitest';

import type { LabelScore } from '../../serve/schema.ts';
import { lendOurModule, OutOfMemoryError } from '../src/onnxRuntimeMemory.ts';
import { article, TEXTS } from './texts.ts';

const MEBIBYTE = 2 ** 20;

it('answers 503 to a batch that needs more memory, and then what it always answers to a small one', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {});
  const { default: worker } = await import('../src/worker.ts');
  const assets: Fetcher = {
    fetch: (input) => env.ASSETS.fetch(`https://assets.test/long-chunks${new URL(input instanceof Request ? input.url : input).pathname}`),
  };
  const ask = (inputs: unknown) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ inputs }) };
    return worker.fetch(new Request('http://edge.test/v1/classify', init), { ASSETS: assets }, createExecutionContext());
  };
  const expectSmall = async () => {
    for (const [index, { label, score }] of ((await (await ask(TEXTS[0])).json()) as LabelScore[]).entries()) {
      const wanted = (inject('nodeAnswers').usual[0] as LabelScore[])[index];
      expect(label).toBe(wanted?.label);
      expect(score).toBeCloseTo(wanted?.score ?? NaN, 4);
    }
  };
  await expectSmall();
  for (let time = 0; time < 2; time++) {
    const refused = await ask(Array.from({ length: 8 }, (_, index) => article(19_999, index)));
    expect(refused.status).toBe(503);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toEqual({ error: { code: 'unavailable', message: expect.stringContaining('fewer or shorter texts') } });
    await expectSmall();
  }
  // It is no fault of the program: nothing is written to the log.
  expect(log).not.toHaveBeenCalled();
  log.mockRestore();
});

it('has an allocator that throws where there is no room, which the glue code would not notice', async () => {
  const undo = lendOurModule();
  const memory = new WebAssembly.Memory({ initial: 256, maximum: 65_536 });
  const { instance } = await WebAssembly.instantiate(new Uint8Array(8), importsOf(ortModule, memory));
  undo();
  const allocate = instance.exports[ALLOCATE] as (bytes: number) => number;
  expect(allocate(1_000)).toBeGreaterThan(0);
  expect(() => allocate(100 * MEBIBYTE)).toThrow(OutOfMemoryError);
  expect(allocate(1_000)).toBeGreaterThan(0);
  expect(() => memory.grow(96 * 16)).toThrow(RangeError);
  expect(memory.buffer).not.toBeInstanceOf(SharedArrayBuffer);
});

it('leaves everything as it found it', () => {
  const before = { instantiate: WebAssembly.instantiate, Memory: WebAssembly.Memory, waitAsync: Atomics.waitAsync };
  const undo = lendOurModule();
  expect(WebAssembly.Memory).not.toBe(before.Memory);
  expect(Atomics.waitAsync).toBeUndefined();
  undo();
  expect({ instantiate: WebAssembly.instantiate, Memory: WebAssembly.Memory, waitAsync: Atomics.waitAsync }).toEqual(before);
});

/** What the module wants: functions that do nothing, and a memory. */
function importsOf(module: WebAssembly.Module, memory: WebAssembly.Memory): WebAssembly.Imports {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  for (const { module: space, name, kind } of WebAssembly.Module.imports(module))
    (imports[space] ??= {})[name] = kind === 'memory' ? memory : () => 0;
  return imports;
}
