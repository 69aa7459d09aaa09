import { join } from 'node:path';
import { expect, it } from 'vitest';

import { temporaryFolder } from '../../test/temporaryFolder.ts';
import { paceOf, readRun } from './runRecord.ts';

const start = (wallTime: number, step: number) => ({ wallTime, step, scalars: undefined });
const trained = (wallTime: number, step: number, epoch = 1) => ({ wallTime, step, scalars: { epoch, loss: 1, tokens: 100 * step } });
const measured = (wallTime: number, step: number, epoch = 1) => ({ wallTime, step, scalars: { epoch, validationLoss: 1 } });

it('counts time by epoch, and none while the run stood still', () => {
  const { secondsOfEpoch, speeds } = paceOf([
    start(0, 0),
    trained(10, 10),
    trained(30, 20),
    measured(35, 20),
    trained(45, 30, 2),
    start(5000, 31),
    trained(5010, 40, 2),
    trained(5020, 50, 2),
  ]);
  expect([...secondsOfEpoch]).toEqual([
    [1, 35],
    [2, 30],
  ]);
  // The measurement's five seconds are not the next steps', and the first interval after the stop is not known to be whole.
  expect(speeds).toEqual([
    { step: 10, tokensPerSecond: 100 },
    { step: 20, tokensPerSecond: 50 },
    { step: 30, tokensPerSecond: 100 },
    { step: 50, tokensPerSecond: 100 },
  ]);
});

it('does not judge the speed of an interval in which something was measured', () => {
  expect(paceOf([start(0, 0), trained(10, 10), measured(20, 15), trained(30, 20, 2)]).speeds).toEqual([{ step: 10, tokensPerSecond: 100 }]);
  expect(paceOf([])).toEqual({ secondsOfEpoch: new Map(), speeds: [] });
});

it('reads what there is of a run', async () => {
  const metrics = ['{"step":1,"epoch":1,"loss":2,"learningRate":0.1,"tokens":5}', '{"step":1,"epoch":1,"validationLoss":3}', '{"step"'];
  const folder = await temporaryFolder({ 'config.json': '{"command":"train"}', 'metrics.jsonl': metrics.join('\n') });
  expect(await readRun(folder)).toMatchObject({
    config: { command: 'train' },
    training: [{ step: 1, loss: 2 }],
    measured: [{ step: 1, validationLoss: 3 }],
    model: undefined,
    evaluation: undefined,
  });
});

it('says which folder holds no run, and which file is broken', async () => {
  const folder = await temporaryFolder({
    'model/model.json': '{}',
    'broken/config.json': '{',
    'old/evaluation.json': '{"task": "singleLabel"}',
  });
  const of = (name: string) => join(folder, name);
  await expect(readRun(of('model'))).rejects.toThrow(`${of('model')} is not a run's folder: it has no config.json`);
  await expect(readRun(of('nowhere'))).rejects.toThrow("is not a run's folder");
  await expect(readRun(of('broken'))).rejects.toThrow(`${of('broken/config.json')} is not valid JSON`);
  await expect(readRun(of('old'))).rejects.toThrow(`${of('old/evaluation.json')} is damaged, or of another version`);
});
