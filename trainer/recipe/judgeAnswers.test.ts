import { describe, expect, it } from 'vitest';

import { judgeAnswers } from './judgeAnswers.ts';

const rows = (values: readonly (readonly number[])[]): Float32Array[] => values.map((row) => Float32Array.from(row));
const texts = (count: number) => Array.from({ length: count }, (_, index) => [`text ${index}`]);

describe('judgeAnswers', () => {
  const labels = ['neg', 'pos'];
  const targets = rows([
    [1, 0],
    [1, 0],
    [0, 1],
    [0, 1],
  ]);
  const answers = rows([
    [0.9, 0.1],
    [0.2, 0.8],
    [0.95, 0.05],
    [0.4, 0.6],
  ]);

  it('shows the documents that are most wrong first, and only wrong ones', () => {
    const evaluation = judgeAnswers({ task: 'singleLabel', labels, texts: texts(4), targets, answers });
    if (evaluation.task !== 'singleLabel') throw new Error(evaluation.task);
    expect(evaluation.metrics.accuracy).toBe(0.5);
    expect(evaluation.mostWrong).toEqual([
      { text: 'text 2', wanted: 'pos', given: 'neg', probability: answers[2]?.[0], wantedProbability: answers[2]?.[1] },
      { text: 'text 1', wanted: 'neg', given: 'pos', probability: answers[1]?.[1], wantedProbability: answers[1]?.[0] },
    ]);
  });

  it('compares with the temperature that suits best where the model has none', () => {
    const evaluation = judgeAnswers({ task: 'singleLabel', labels, texts: texts(4), targets, answers });
    if (evaluation.task !== 'singleLabel') throw new Error(evaluation.task);
    const [given, fitted] = evaluation.reliability;
    expect(given).toMatchObject({ answers: 'given', temperature: 1, loss: evaluation.metrics.loss });
    expect(fitted?.answers).toBe('fitted');
    expect(fitted?.temperature).toBeGreaterThan(1); // half of the answers are wrong, and it is sure of them
    expect(fitted?.loss).toBeLessThan(given?.loss ?? 0);
    expect(given?.bins.reduce((sum, { n }) => sum + n, 0)).toBe(4);
  });

  it('compares with no temperature where the model has one', () => {
    const undivided = judgeAnswers({ task: 'singleLabel', labels, texts: texts(4), targets, answers });
    // softmax(logits / 2) of the same logits
    const halved = answers.map((row) => {
      const roots = row.map(Math.sqrt);
      return roots.map((root) => root / roots.reduce((sum, value) => sum + value, 0));
    });
    const evaluation = judgeAnswers({ task: 'singleLabel', labels, texts: texts(4), targets, answers: halved, temperature: 2 });
    if (evaluation.task !== 'singleLabel' || undivided.task !== 'singleLabel') throw new Error(evaluation.task);
    const [given, unscaled] = evaluation.reliability;
    expect(given).toMatchObject({ answers: 'given', temperature: 2 });
    expect(unscaled).toMatchObject({ answers: 'unscaled', temperature: 1 });
    expect(unscaled?.loss).toBeCloseTo(undivided.metrics.loss, 5);
  });

  it('names no temperature of averaged answers', () => {
    const evaluation = judgeAnswers({ task: 'singleLabel', labels, texts: texts(4), targets, answers, averaged: true });
    if (evaluation.task !== 'singleLabel') throw new Error(evaluation.task);
    expect(evaluation.reliability.map(({ answers: which }) => which)).toEqual(['given', 'fitted']);
    expect(evaluation.reliability.some((each) => 'temperature' in each)).toBe(false);
  });

  it('tells which of several labels are wrong', () => {
    const evaluation = judgeAnswers({
      task: 'multiLabel',
      labels: ['a', 'b', 'c'],
      texts: texts(2),
      targets: rows([
        [1, 0, 0],
        [1, 1, 0],
      ]),
      answers: rows([
        [0.9, 0.1, 0.1],
        [0.25, 0.75, 0.5],
      ]),
    });
    if (evaluation.task !== 'multiLabel') throw new Error(evaluation.task);
    expect(evaluation.metrics.exactMatch).toBe(0.5);
    expect(evaluation.mostWrong).toEqual([
      {
        text: 'text 1',
        wanted: ['a', 'b'],
        given: ['b', 'c'],
        wrong: [
          { label: 'a', probability: 0.25 },
          { label: 'c', probability: 0.5 },
        ],
      },
    ]);
  });

  it('keeps a picture of many numbers, and those that were missed by most', () => {
    const count = 5000;
    const wanted = Array.from({ length: count }, (_, index) => index);
    const evaluation = judgeAnswers({
      task: 'regression',
      labels: [],
      texts: texts(count),
      targets: rows(wanted.map((value) => [value])),
      answers: rows(wanted.map((value) => [value === 4321 ? 0 : value])),
    });
    if (evaluation.task !== 'regression') throw new Error(evaluation.task);
    expect(evaluation.points).toHaveLength(1000);
    expect(evaluation.points.at(-1)?.[0]).toBeGreaterThan(4990);
    expect(evaluation.mostWrong[0]).toEqual({ text: 'text 4321', wanted: 4321, given: 0 });
  });

  it('is of a size that JSON keeps whole, however long the documents', () => {
    const long = [['𝒂'.repeat(100_000), 'second field']];
    const evaluation = judgeAnswers({ task: 'singleLabel', labels, texts: long, targets: rows([[1, 0]]), answers: rows([[0, 1]]) });
    if (evaluation.task !== 'singleLabel') throw new Error(evaluation.task);
    const { text = '' } = evaluation.mostWrong[0] ?? {};
    expect(text.length).toBeLessThan(700);
    expect(text.isWellFormed()).toBe(true);
    expect(JSON.parse(JSON.stringify(evaluation))).toEqual(evaluation);
  });
});
