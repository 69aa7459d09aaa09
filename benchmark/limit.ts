/** The contender that does nothing but a step's matrix products, each as one large product in TensorFlow. See protocol.ts. */
import { attributes, backend, tf, type Tensor } from '../trainer/engine/operations.ts';
import { carrier, lower, PRODUCT_TYPES, raise } from '../trainer/engine/products.ts';
import { largeProducts, type MatrixProduct } from './matrixProducts.ts';
import { serveParent } from './protocol.ts';

await serveParent(async (workload) => {
  const type = PRODUCT_TYPES[workload.precision];
  const operands = new Map<string, Tensor>();
  const products = largeProducts(workload).map((product) => prepare(product, type, operands));
  return {
    versions: { tensorflow: backend.binding.TF_Version },
    // A request is one pass over the products, whatever its steps.
    run() {
      for (const [index, multiply] of products.entries()) {
        const result = multiply();
        // On a GPU products come one after the other, so the last one waits for all.
        if (index === products.length - 1) waitFor(result, type);
        result.dispose();
      }
    },
  };
});

/** Makes a product's operands, shared by all products that have one of the same shape, and gives a function that multiplies them. */
function prepare(product: MatrixProduct, type: number, operands: Map<string, Tensor>): () => Tensor {
  const { rows, inner, columns, transposeLeft, transposeRight } = product;
  const inputs = [
    operand(transposeLeft ? [inner, rows] : [rows, inner], type, operands),
    operand(transposeRight ? [columns, inner] : [inner, columns], type, operands),
  ];
  const settings = [
    attributes.type('T', type),
    attributes.boolean('transpose_a', transposeLeft),
    attributes.boolean('transpose_b', transposeRight),
  ];
  return () => run('MatMul', settings, inputs);
}

/** A matrix of small random numbers. */
function operand(shape: [number, number], type: number, operands: Map<string, Tensor>): Tensor {
  const key = shape.join();
  const known = operands.get(key);
  if (known !== undefined) return known;
  const matrix = tf.tidy(() => lower(tf.randomUniform(shape, -1, 1, 'float32', operands.size), type));
  operands.set(key, matrix);
  return matrix;
}

/** Reads one number of a matrix, which must then be there. */
function waitFor(matrix: Tensor, type: number): void {
  tf.tidy(() => {
    const settings = [attributes.type('T', type), attributes.type('Index', attributes.int32)];
    const corner = run('Slice', settings, [matrix, tf.tensor1d([0, 0], 'int32'), tf.tensor1d([1, 1], 'int32')]);
    raise(corner, type).dataSync(); // the binding reads no 16-bit numbers
  });
}

function run(operation: string, settings: Parameters<typeof backend.binding.executeOp>[1], inputs: Tensor[]): Tensor {
  const [output] = backend.binding.executeOp(operation, settings, backend.getInputTensorIds(inputs), 1);
  if (output === undefined) throw new Error(`${operation} gave no output`);
  return carrier(output);
}
