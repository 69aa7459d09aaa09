import { fileURLToPath } from 'node:url';
import { floatValues, readSafetensors, type Tensor } from '../../trainer/checkpoint/safetensors.ts';

/** A reference file of golden/, made by the Python scripts beside it (README.md). */
export interface Golden {
  /** What the file says about itself: sizes, rates, lengths. */
  readonly facts: Record<string, unknown>;
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** A floating-point tensor's values, row-major. */
  floats(name: string): Float32Array;
  /** A whole-number tensor's values, row-major. */
  integers(name: string): Int32Array;
  /** A scalar. */
  scalar(name: string): number;
  shape(name: string): readonly number[];
  /** The tensors whose names begin with `prefix` and a dot, under the rest of their names. */
  under(prefix: string): Map<string, Tensor>;
}

/**
 * Reads golden/<name>.safetensors.
 *
 * @throws UserError when the file or a tensor asked for is missing
 * @example
 * const golden = await readGolden('language-model');
 * golden.scalar('batch.0.loss.total');
 * golden.under('weights').get('embedding.weight');
 */
export async function readGolden(name: string): Promise<Golden> {
  const path = fileURLToPath(new URL(`./golden/${name}.safetensors`, import.meta.url));
  const { metadata, tensors } = await readSafetensors(path);
  const tensor = (wanted: string): Tensor => {
    const found = tensors.get(wanted);
    if (!found) throw new Error(`${path} has no tensor "${wanted}"; it has ${[...tensors.keys()].join(', ')}.`);
    return found;
  };
  const floats = (wanted: string): Float32Array => floatValues(tensors, wanted);
  return {
    facts: JSON.parse(metadata['facts'] ?? '{}') as Record<string, unknown>,
    tensors,
    floats,
    integers(wanted) {
      const { dtype, data } = tensor(wanted);
      if (dtype !== 'I32') throw new Error(`${path}: tensor "${wanted}" is ${dtype}, expected I32.`);
      return data;
    },
    scalar(wanted) {
      const [value, ...rest] = floats(wanted);
      if (value === undefined || rest.length > 0) throw new Error(`${path}: tensor "${wanted}" is not a scalar.`);
      return value;
    },
    shape: (wanted) => tensor(wanted).shape,
    under(prefix) {
      const start = `${prefix}.`;
      const inside = [...tensors].filter(([full]) => full.startsWith(start));
      return new Map(inside.map(([full, value]) => [full.slice(start.length), value]));
    },
  };
}
