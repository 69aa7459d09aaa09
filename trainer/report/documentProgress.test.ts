import { expect, test } from 'vitest';

import { DocumentProgress } from './documentProgress.ts';

/** A display whose clock is turned by hand, and what it has written. */
function display(bytes?: number) {
  const written: string[] = [];
  let time = 0;
  const stream = { isTTY: false, write: (text: string) => written.push(text) };
  const progress = new DocumentProgress({ label: 'predicting', bytes, stream, now: () => time });
  return { progress, written, wait: (seconds: number) => void (time += seconds * 1000) };
}

test('shows documents, percent, rate and time left where the size of the data is known', () => {
  const { progress, written, wait } = display(1000);
  progress.read(100);
  wait(2);
  progress.answered(512);
  progress.read(150);
  wait(3);
  progress.answered(500);
  progress.done();
  expect(written).toEqual([
    'predicting  512 documents  10 %  256 documents/s  18 s left\n',
    'predicting  1012 documents  25 %  202 documents/s  15 s left\n',
  ]);
});

test('shows documents and rate where it is not', () => {
  const { progress, written, wait } = display();
  wait(2);
  progress.answered(10);
  expect(written).toEqual(['predicting  10 documents  5 documents/s\n']);
});

test('what was answered before the run was interrupted is no part of the rate', () => {
  const { progress, written, wait } = display(1000);
  progress.read(500);
  wait(1);
  progress.passed(5000);
  progress.read(100);
  wait(10);
  progress.answered(100);
  expect(written).toEqual(['predicting  5100 documents  60 %  10 documents/s  40 s left\n']);
});
