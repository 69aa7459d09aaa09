/** The contender that is this project. See protocol.ts. */
import { backend, hasFusedOps, type Scalar } from '../trainer/engine/operations.ts';
import { version } from '../trainer/version.ts';
import { serveParent } from './protocol.ts';
import { trainingSteps } from './trainingSteps.ts';

await serveParent(async (workload) => {
  const training = trainingSteps(workload);
  return {
    versions: {
      ulmfit: version(),
      node: process.versions.node,
      tensorflow: backend.binding.TF_Version,
      operations: hasFusedOps ? 'fused' : 'plain',
    },
    run(steps) {
      let loss: Scalar | undefined;
      for (const number of steps) {
        loss?.dispose();
        loss = training.step(number);
      }
      // Reading the last loss waits for the device.
      const value = loss?.dataSync()[0] ?? Number.NaN;
      loss?.dispose();
      if (!Number.isFinite(value)) throw new Error(`the loss has become ${value}`);
    },
  };
});
