import { expect, test } from 'vitest';
import { instructionsOf, thisMachine } from './machine.ts';

test('instructions that matter to matrix products are told, others not', () => {
  expect(instructionsOf('processor : 0\nflags\t\t: fpu avx2 amx_bf16 avx512f avx512_vnni\nbugs : x\n')).toEqual([
    'avx2',
    'avx512f',
    'amx_bf16',
  ]);
  expect(instructionsOf('Features\t: fp asimd sve bf16')).toEqual(['asimd', 'sve', 'bf16']);
  expect(instructionsOf('')).toEqual([]);
});

test('this machine is described', () => {
  const { processor, processors, memoryGibibytes } = thisMachine();
  expect(processor).not.toBe('');
  expect(processors).toBeGreaterThan(0);
  expect(memoryGibibytes).toBeGreaterThan(0);
});
