/** A classifier's losses beside PyTorch's, and fastai's bounds of a number: values, and gradients in the logits. */
import { beforeAll, describe, expect, it } from 'vitest';
import { tf, type Tensor } from '../../trainer/engine/operations.ts';
import { objective, oneHot, type Objective, type Targets } from '../../trainer/model/objective.ts';
import { valueAndGradients } from '../../trainer/testSupport.ts';
import { relativeDifference } from './closeness.ts';
import { readGolden, type Golden } from './golden.ts';

const TOLERANCE = 1e-5;

describe('objective, beside PyTorch’s losses', () => {
  let golden: Golden;
  beforeAll(async () => {
    golden = await readGolden('objectives');
  });

  /** The rows of a tensor, one document each. */
  const rows = (name: string): Float32Array[] => {
    const [count = 0, width = 0] = golden.shape(name);
    return Array.from({ length: count }, (_, row) => golden.floats(name).slice(row * width, (row + 1) * width));
  };

  it.each([
    ['singleLabel', 'CrossEntropyLoss'],
    ['singleLabel.weighted', 'CrossEntropyLoss with weights'],
    ['multiLabel', 'BCEWithLogitsLoss'],
    ['multiLabel.weighted', 'BCEWithLogitsLoss with pos_weight'],
    ['regression', 'MSELoss'],
    ['regression.range', 'MSELoss behind fastai’s SigmoidRange'],
  ])('%s is %s', (name) => {
    const [task, variant] = name.split('.') as [Objective['task'], string | undefined];
    const { labelWeights, range } = golden.facts as { labelWeights: number[]; range: [number, number] };
    const wanted: Objective = {
      task,
      ...(variant === 'weighted' && { labelWeights }),
      ...(variant === 'range' && { range }),
    };
    const targets: Record<Objective['task'], () => Targets> = {
      singleLabel: () => oneHot([...golden.integers('given.classes')], labelWeights.length),
      multiLabel: () => rows('given.several'),
      regression: () => rows('given.numbers'),
    };
    const given = `given.logits.${task === 'regression' ? 'number' : 'labels'}`;
    const logits: Tensor = tf.tensor(golden.floats(given), [...golden.shape(given)]);
    const { value, gradients } = valueAndGradients(() => objective(wanted, logits, targets[task]()), [logits]);
    expect(relativeDifference([value], golden.floats(`${name}.loss`))).toBeLessThan(TOLERANCE);
    expect(relativeDifference(gradients[0] ?? [], golden.floats(`${name}.gradient`))).toBeLessThan(TOLERANCE);
  });
});
