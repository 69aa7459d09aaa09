import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { measure } from './measure.ts';
import { findPeer, peerFolder, pythonOf } from './peer.ts';
import { profileSteps } from './profile.ts';
import { scalingBenchmark } from './scaling.ts';
import { TINY_CLASSIFIER, TINY_LM } from './testSupport.ts';

/** The peer's Python, where somebody has installed it: ULMFIT_PEER names another than `ulmfit benchmark setup-peer`'s. */
const python = process.env['ULMFIT_PEER'] ?? pythonOf(peerFolder());
const NO_PEER = { skipped: 'not wanted' };
/** Other tests run at the same time. */
const TEST = { anyLoad: true, log: () => {} } as const;

test.each([TINY_LM, TINY_CLASSIFIER])('measures the training of a tiny $task and its limit', async (workload) => {
  const result = await measure(workload, { repeats: 2, steps: 2, peer: NO_PEER, ...TEST });
  const { ours, limit, pytorch, shareOfLimit } = result;
  if ('skipped' in ours || 'skipped' in limit) throw new Error('it was skipped');
  expect(ours.tokensPerSecond.all.length).toBeGreaterThanOrEqual(2);
  expect(ours.tokensPerSecond.min).toBeGreaterThan(0);
  expect(ours.documentsPerSecond !== undefined).toBe(workload.task === 'classifier');
  expect(ours.peakMebibytes).toBeGreaterThan(50);
  expect(ours.versions).toMatchObject({ node: process.versions.node });
  expect(limit.gigaflops.min).toBeGreaterThan(0);
  expect(shareOfLimit?.all).toEqual(ours.tokensPerSecond.all.map((speed, index) => speed / (limit.tokensPerSecond.all[index] ?? 0)));
  expect(pytorch).toEqual(NO_PEER);
  expect(result).not.toHaveProperty('ratioToPytorch');
});

test.skipIf(!existsSync(python))(
  'measures PyTorch beside it (needs `ulmfit benchmark setup-peer`)',
  async () => {
    const peer = await findPeer(python);
    for (const workload of [TINY_LM, TINY_CLASSIFIER]) {
      const { pytorch, ratioToPytorch } = await measure(workload, { repeats: 1, steps: 2, peer, ...TEST });
      if ('skipped' in pytorch) throw new Error(pytorch.skipped);
      expect(pytorch.versions).toMatchObject({ torch: expect.stringMatching(/^2\./), fastai: expect.stringMatching(/^2\./) });
      expect(ratioToPytorch?.min).toBeGreaterThan(0);
    }
  },
  180_000,
);

test('what the machine cannot do is left out, with the reason', async () => {
  const skipped = { skipped: 'this processor has no instructions for fp16' };
  expect(await measure({ ...TINY_LM, precision: 'fp16' }, { repeats: 1, steps: 1, peer: NO_PEER, ...TEST })).toMatchObject({
    ours: skipped,
    pytorch: skipped,
    limit: skipped,
  });
});

test('a contender that fails is reported with what it said', async () => {
  const peer = { python: process.execPath }; // Node cannot run a Python script
  await expect(measure(TINY_LM, { repeats: 1, steps: 1, peer, ...TEST })).rejects.toThrow(
    /PyTorch has ended without an answer; it said:[^]*language_model\.py/,
  );
});

test('a Python without PyTorch is no peer', async () => {
  expect(await findPeer('/nowhere/python')).toEqual({ skipped: expect.stringContaining('ulmfit benchmark setup-peer') });
});

test('scaling measures every value and tells how time grows with work', async () => {
  const sweep = {
    name: 'batch',
    title: 'Batch',
    unit: 'streams',
    values: [1, 2],
    workload: (batch: number) => ({ ...TINY_LM, batch }),
  } as const;
  const options = { device: 'cpu', precision: 'fp32', repeats: 1, steps: 1, ...TEST } as const;
  const { sweeps } = await scalingBenchmark(options, [sweep]);
  expect(sweeps[0]?.points.map(({ value, measurement }) => [value, measurement.batch])).toEqual([
    [1, 1],
    [2, 2],
  ]);
  expect(sweeps[0]?.points.map(({ growth }) => typeof growth)).toEqual(['undefined', 'number']);
});

test.each([TINY_LM, TINY_CLASSIFIER])('a profile of a tiny $task accounts for the whole step', (workload) => {
  const { step, parts, operations } = profileSteps(workload, 2);
  expect(parts.map(({ name }) => name)).toEqual([
    'input and dropout masks',
    'forward pass and loss',
    'backward pass',
    'clipping and optimizer',
  ]);
  for (const { milliseconds } of parts) expect(milliseconds).toBeGreaterThan(0);
  expect(parts.reduce((sum, { milliseconds }) => sum + milliseconds, 0)).toBeCloseTo(step);
  expect(operations.length).toBeGreaterThan(5);
  for (const { milliseconds, calls } of operations) {
    expect(milliseconds).toBeGreaterThan(0);
    expect(calls).toBeGreaterThan(0);
  }
});
