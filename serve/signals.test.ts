import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';

import { follow } from './signals.ts';

it('aborts with the reason of the first signal that is aborted', () => {
  const [one, other, controller] = [new AbortController(), new AbortController(), new AbortController()];
  follow(controller, [one.signal, undefined, other.signal]);
  expect(controller.signal.aborted).toBe(false);
  other.abort('the reason');
  one.abort('too late');
  expect(controller.signal.reason).toBe('the reason');
});

it('aborts at once where a signal is aborted already', () => {
  const controller = new AbortController();
  follow(controller, [new AbortController().signal, AbortSignal.abort('before')]);
  expect(controller.signal.reason).toBe('before');
});

it('leaves nothing with the signals once it is told to stop', () => {
  const [lasting, controller] = [new AbortController(), new AbortController()];
  const unfollow = follow(controller, [lasting.signal]);
  expect(getEventListeners(lasting.signal, 'abort')).toHaveLength(1);
  unfollow();
  expect(getEventListeners(lasting.signal, 'abort')).toEqual([]);
  lasting.abort();
  expect(controller.signal.aborted).toBe(false);
});
