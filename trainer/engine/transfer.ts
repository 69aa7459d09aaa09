import type { HostTensor } from '../checkpoint/modelFolder.ts';
import { tf, type Tensor } from './operations.ts';

/** Copies named tensors from the device. Waits for the device. */
export function toHost(tensors: ReadonlyMap<string, Tensor>): Map<string, HostTensor> {
  return new Map([...tensors].map(([name, tensor]) => [name, { shape: tensor.shape, data: tensor.dataSync<'float32'>() }]));
}

/** Copies named tensors to the device. */
export function toDevice(tensors: ReadonlyMap<string, HostTensor>): Map<string, Tensor> {
  return new Map([...tensors].map(([name, { shape, data }]) => [name, tf.tensor(data, [...shape], 'float32')]));
}
