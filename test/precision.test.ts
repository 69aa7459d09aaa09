import { describe, expect, test } from 'vitest';

import { tokenCorpus, type TokenCorpus } from '../trainer/data/tokenCorpus.ts';
import { tf } from '../trainer/engine/operations.ts';
import { withPrecision, type Precision } from '../trainer/engine/precision.ts';
import { hostRandom } from '../trainer/engine/random.ts';
import { initializeLanguageModel } from '../trainer/model/initialize.ts';
import type { Sizes } from '../trainer/model/presets.ts';
import { LanguageModelTask } from '../trainer/recipe/languageModelTask.ts';

const SIZES: Sizes = { vocabulary: 64, embedding: 32, hidden: 48, layers: 3 };
const STEPS = 200;

/**
 * Steps whose losses are averaged before two curves are compared. A single step's loss is noisy, and small differences of weights make
 * different noise of it: with this text single steps differ by up to 1.1 %, averages of 10 by 0.5 %, of 20 by 0.4 % (bf16).
 */
const WINDOW = 10;

/** Text in which every word has four followers, the first of them likelier than the last: enough to be learnt in part in 200 steps. */
function chainText(): TokenCorpus {
  const random = hostRandom({ seed: 3, step: 0 }, 'text');
  let word = 9;
  const next = () => (word = 9 + ((word * 3 + ([1, 5, 11, 27][Math.floor(random() ** 2 * 4)] ?? 0)) % 55));
  return tokenCorpus(Array.from({ length: 60 }, () => Int32Array.from({ length: 600 }, next)));
}

/** The losses of a run; every run draws the same numbers. */
function lossCurve(precision: Precision): number[] {
  const parameters = initializeLanguageModel(SIZES, 1);
  const rates = [0.02, 0.02, 0.02, 0.02];
  const settings = { batch: 8, bptt: 20, maxSteps: STEPS, schedule: 'one-cycle', dropMult: 0.2, clip: 1, seed: 1 } as const;
  // Made in that precision too: fp16 has a scaled loss.
  const task = withPrecision(
    precision,
    () =>
      new LanguageModelTask(
        SIZES,
        parameters,
        { training: chainText() },
        { ...settings, epochs: [rates], weightDecay: 0.01, backwards: false },
      ),
  );
  expect(task.optimizer.lossScale !== undefined).toBe(precision === 'fp16');
  const losses = withPrecision(precision, () => {
    const kept = [];
    for (const window of task.items(0, 0)) {
      if (kept.length === STEPS) break;
      kept.push(task.step(window, { step: kept.length, epoch: 0, stepInEpoch: kept.length }).loss);
    }
    return kept;
  });
  const values = losses.map((loss) => loss.dataSync()[0] ?? Number.NaN);
  task.dispose();
  tf.dispose([...losses, ...parameters.values()]);
  return values;
}

/** Means over {@link WINDOW} steps. */
function smooth(values: readonly number[]): number[] {
  return values.slice(WINDOW - 1).map((_, start) => values.slice(start, start + WINDOW).reduce((sum, value) => sum + value, 0) / WINDOW);
}

describe('a language model trained in 16 bits', () => {
  const exact = lossCurve('fp32');

  test('learns, so that its curve says something', () => {
    expect(exact).toHaveLength(STEPS);
    expect(exact[0]).toBeGreaterThan(4.1);
    expect(exact.at(-1)).toBeLessThan(3.2);
  });

  test.each(['bf16', 'fp16'] as const)('in %s has the losses of fp32 over 200 steps, within one percent', (precision) => {
    const found = lossCurve(precision);
    expect(found).not.toEqual(exact); // it did multiply in another type
    const expected = smooth(exact);
    const differences = smooth(found).map((loss, step) => Math.abs(loss / (expected[step] ?? Number.NaN) - 1));
    expect(Math.max(...differences)).toBeLessThan(0.01);
  });
});
