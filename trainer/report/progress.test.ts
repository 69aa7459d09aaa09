import { expect, test } from 'vitest';

import { createProgress, duration, type ProgressOptions } from './progress.ts';

/** A progress display whose clock is turned by hand, and what it has written. */
function display(options: Partial<ProgressOptions> & { isTTY: boolean; columns?: number }) {
  const written: string[] = [];
  let time = 0;
  const stream = { isTTY: options.isTTY, columns: options.columns, write: (text: string) => written.push(text) };
  const progress = createProgress({ label: 'pretraining', totalSteps: 1000, colour: false, ...options, stream, now: () => time });
  const wait = (seconds: number) => {
    time += seconds * 1000;
  };
  return { progress, written, wait };
}

test('off a terminal, prints a plain line every five seconds and the last state', () => {
  const { progress, written, wait } = display({ isTTY: false });
  for (let step = 1; step <= 12; step++) {
    progress.update({ step, loss: 9, learningRate: 0.004, tokensPerSecond: 2345.6 });
    wait(1);
  }
  progress.note('saved a checkpoint');
  progress.done();
  expect(written).toEqual([
    'pretraining  step 1/1000  0 %  loss 9.0000  rate 4.00e-3  2346 tokens/s\n',
    'pretraining  step 6/1000  0 %  loss 9.0000  rate 4.00e-3  2346 tokens/s  16 min 34 s left\n',
    'pretraining  step 11/1000  1 %  loss 9.0000  rate 4.00e-3  2346 tokens/s  16 min 29 s left\n',
    'saved a checkpoint\n',
    'pretraining  step 12/1000  1 %  loss 9.0000  rate 4.00e-3  2346 tokens/s  17 min 58 s left\n',
  ]);
});

test('on a terminal, draws one line anew, at most ten times a second and no wider than the window', () => {
  const { progress, written, wait } = display({ isTTY: true, columns: 40 });
  for (let step = 1; step <= 30; step++) {
    progress.update({ step, loss: 9, learningRate: 0.004 });
    wait(0.01);
  }
  expect(written).toEqual([
    '\r\u001b[2Kpretraining  step 1/1000  0 %  loss 9.0',
    '\r\u001b[2Kpretraining  step 11/1000  1 %  loss 9.',
    '\r\u001b[2Kpretraining  step 21/1000  2 %  loss 9.',
  ]);
  expect(written.every((text) => text.replace('\r\u001b[2K', '').length <= 39)).toBe(true);
});

test('on a terminal, a note stands above the line, and the last line stays', () => {
  const { progress, written } = display({ isTTY: true, totalSteps: 2 });
  progress.update({ step: 2 });
  progress.note('saved');
  progress.done();
  expect(written.join('')).toBe(
    '\r\u001b[2Kpretraining  step 2/2  100 %\r\u001b[2Ksaved\n\r\u001b[2Kpretraining  step 2/2  100 %\r\u001b[2Kpretraining  step 2/2  100 %\n',
  );
});

test('the label is bold on a terminal, and nowhere else', () => {
  const lines = [true, false].map((isTTY) => {
    const { progress, written } = display({ isTTY, colour: true });
    progress.update({ step: 1 });
    return written.join('');
  });
  expect(lines).toEqual(['\r\u001b[2K\u001b[1mpretraining\u001b[22m  step 1/1000  0 %', 'pretraining  step 1/1000  0 %\n']);
});

test('the loss is an exponential mean, right from its start', () => {
  const { progress, written, wait } = display({ isTTY: false, totalSteps: undefined });
  const losses = [9, 8, 10, 4];
  losses.forEach((loss, step) => {
    progress.update({ step, loss });
    progress.update({ step }); // a step whose loss is not known yet
    wait(5);
  });
  const mean = (seen: readonly number[]) => {
    const weights = seen.map((_, index) => 0.98 ** (seen.length - 1 - index));
    return seen.reduce((sum, loss, index) => sum + loss * (weights[index] ?? 0), 0) / weights.reduce((sum, weight) => sum + weight, 0);
  };
  expect(written).toEqual(losses.map((_, step) => `pretraining  step ${step}  loss ${mean(losses.slice(0, step + 1)).toFixed(4)}\n`));
});

test('time left counts from where a run was resumed', () => {
  const { progress, written, wait } = display({ isTTY: false });
  progress.update({ step: 900 });
  wait(10);
  progress.update({ step: 905 });
  expect(written.at(-1)).toBe('pretraining  step 905/1000  90 %  3 min 10 s left\n');
});

test('a run without a step says nothing', () => {
  const { progress, written } = display({ isTTY: true });
  progress.done();
  expect(written).toEqual([]);
});

test('durations read as a person says them', () => {
  expect([0.4, 59.6, 200, 3600, 7530].map(duration)).toEqual(['0 s', '1 min 00 s', '3 min 20 s', '1 h 00 min', '2 h 05 min']);
});
