import { softmaxCrossEntropy, tiledCrossEntropy } from './fusedOps.ts';
import { hasFusedOps, tf, type Scalar, type Tensor, type Tensor1D, type Tensor2D } from './operations.ts';
import { onMatrixUnit, operand, product, productForOps, type Operand } from './products.ts';

/**
 * Rows of logits handled at once: enough for an efficient matrix product, few enough that `[rows, vocabulary]` stays small, and no last block
 * of a few rows only.
 */
function rowsAtOnce(rows: number, vocabulary: number): number {
  const elements = 16 << 20; // about 64 MiB of logits
  const most = Math.max(64, elements / vocabulary);
  return Math.ceil(rows / Math.ceil(rows / most));
}

/**
 * Mean cross-entropy of a decoder that is tied to the embedding (Press & Wolf 2016; fastai's `LinearDecoder`):
 * `softmax(hidden · embeddingᵀ + bias)`. Value and gradients are computed together, a block of rows at a time, so that the
 * logits of a whole batch never exist at once.
 *
 * @param hidden `[n, embedding]`
 * @param embedding `[vocabulary, embedding]`
 * @param bias `[vocabulary]`
 * @param targets `[n]` int32
 * @returns nats per token, differentiable in `hidden`, `embedding` and `bias`
 */
export function tiedCrossEntropy(hidden: Tensor, embedding: Tensor, bias: Tensor, targets: Tensor): Scalar {
  const crossEntropy = onMatrixUnit() ? matrixUnitCrossEntropy : hasFusedOps ? fusedCrossEntropy : plainCrossEntropy;
  return crossEntropy(hidden, embedding, bias, targets);
}

type CrossEntropy = typeof tiedCrossEntropy;

/** On a processor's matrix unit, in bf16: one op of ours does it all, and logits are never written to memory. */
export const matrixUnitCrossEntropy: CrossEntropy = (hidden, embedding, bias, targets) => {
  const loss = tf.customGrad((...args) => {
    const [inputs, weights, offsets, save] = args as unknown as [Tensor, Tensor, Tensor, (tensors: Tensor[]) => void];
    const { losses, gradients } = tiledCrossEntropy(inputs, weights, offsets, targets, tf.scalar(1 / targets.size));
    save(gradients);
    return { value: tf.mean(losses), gradFunc: (upstream, saved) => saved.map((gradient) => scaled(gradient, upstream)) };
  });
  return loss(hidden, embedding, bias) as Scalar;
};

/** On our own op: the logits of a block of rows become their own gradient in place. */
export const fusedCrossEntropy: CrossEntropy = (hidden, embedding, bias, targets) => {
  const [n = 0, size = 0] = hidden.shape;
  const rows = rowsAtOnce(n, bias.size);
  const loss = tf.customGrad((...args) => {
    const [inputs, weights, offsets, save] = args as unknown as [Tensor, Tensor, Tensor, (tensors: Tensor[]) => void];
    const decoder = operand(weights);
    const losses: Tensor[] = [];
    const hiddenGradients: Tensor[] = [];
    let sums: Tensor[] = [];
    try {
      for (let start = 0; start < n; start += rows) {
        const count = Math.min(rows, n - start);
        const block = tf.slice(inputs, [start, 0], [count, size]);
        const logits = productForOps(block, decoder, false, true);
        const part = softmaxCrossEntropy(logits, offsets, tf.slice(targets, [start], [count]), tf.scalar(1 / n));
        losses.push(part.losses);
        hiddenGradients.push(product(logits, decoder));
        const gradients = [product(logits, block, true, false), part.biasGradient];
        logits.tensor.dispose();
        const before = sums;
        sums = before.length === 0 ? gradients : gradients.map((gradient, k) => tf.add(before[k] as Tensor, gradient));
        if (sums !== gradients) tf.dispose([...before, ...gradients]);
      }
    } finally {
      decoder.tensor.dispose();
    }
    save([tf.concat(hiddenGradients, 0), ...sums]);
    return { value: tf.mean(tf.concat(losses, 0)), gradFunc: (upstream, saved) => saved.map((gradient) => scaled(gradient, upstream)) };
  });
  return loss(hidden, embedding, bias) as Scalar;
};

/** On the CPU, reading a scalar costs nothing, and the factor of a loss is nearly always 1. */
function scaled(gradient: Tensor, upstream: Tensor): Tensor {
  return upstream.dataSync()[0] === 1 ? tf.clone(gradient) : tf.mul(gradient, upstream);
}

/** In TensorFlow's own operations. */
export const plainCrossEntropy: CrossEntropy = (hidden, embedding, bias, targets) => {
  const [n = 0, size = 0] = hidden.shape;
  const rows = rowsAtOnce(n, bias.size);
  const loss = tf.customGrad((...args) => {
    const [inputs, weights, offsets] = args as unknown as [Tensor, Tensor, Tensor];
    const save = args[3] as unknown as (tensors: Tensor[]) => void;
    const decoder = operand(weights);
    const losses: Tensor[] = [];
    const hiddenGradients: Tensor[] = [];
    let embeddingGradient: Tensor = tf.zerosLike(weights);
    let biasGradient: Tensor = tf.zerosLike(offsets);
    try {
      for (let start = 0; start < n; start += rows) {
        const count = Math.min(rows, n - start);
        const part = tf.tidy(() => {
          const block = tf.slice(inputs, [start, 0], [count, size]);
          const words = tf.slice(targets, [start], [count]);
          const { exponentials, sums, losses: blockLosses } = softmaxParts(block, decoder, offsets, words);
          // The gradient of the logits is softmax minus one-hot. Neither is built: the softmax's division moves to the narrow
          // side of each product, and the one-hot's products are rows that are looked up and added.
          const share = tf.div(1, sums);
          return {
            loss: tf.sum(blockLosses),
            hidden: tf.sub(tf.mul(product(exponentials, decoder), share), tf.gather(weights, words)),
            embedding: tf.add(embeddingGradient, product(exponentials, tf.mul(block, share), true, false)),
            bias: tf.add(biasGradient, tf.reshape(tf.matMul(share, exponentials, true, false), [-1])),
          };
        });
        tf.dispose([embeddingGradient, biasGradient]);
        losses.push(part.loss);
        hiddenGradients.push(part.hidden);
        embeddingGradient = part.embedding;
        biasGradient = part.bias;
      }
    } finally {
      decoder.tensor.dispose();
    }
    const words = targets as Tensor1D;
    save([
      tf.concat(hiddenGradients, 0),
      tf.sub(embeddingGradient, tf.unsortedSegmentSum(inputs, words, bias.size)),
      tf.sub(biasGradient, tf.unsortedSegmentSum(tf.ones([n]), words, bias.size)),
    ]);
    return {
      value: tf.div(tf.addN(losses), n),
      gradFunc: (upstream, saved) => saved.map((gradient) => tf.mul(gradient, tf.div(upstream, n))),
    };
  });
  return loss(hidden, embedding, bias) as Scalar;
};

/** The value of {@link tiedCrossEntropy} alone, for validation: no gradient is computed. Sum over the rows, in nats. */
export function tiedCrossEntropySum(hidden: Tensor, embedding: Tensor, bias: Tensor, targets: Tensor): Scalar {
  return tf.tidy(() => {
    const [n = 0, size = 0] = hidden.shape;
    const rows = rowsAtOnce(n, bias.size);
    const decoder = operand(embedding);
    const losses: Tensor[] = [];
    try {
      for (let start = 0; start < n; start += rows) {
        const count = Math.min(rows, n - start);
        losses.push(
          tf.tidy(() => {
            const block = tf.slice(hidden, [start, 0], [count, size]);
            return tf.sum(softmaxParts(block, decoder, bias, tf.slice(targets, [start], [count])).losses);
          }),
        );
      }
    } finally {
      decoder.tensor.dispose();
    }
    return tf.addN(losses) as Scalar;
  });
}

/**
 * The softmax of `hidden · embeddingᵀ + bias`, left in its parts.
 *
 * @returns `exponentials` `[n, vocabulary]`, their row `sums` `[n, 1]`, and each row's cross-entropy `losses` `[n]`
 */
function softmaxParts(
  hidden: Tensor,
  embedding: Operand,
  bias: Tensor,
  targets: Tensor,
): { exponentials: Tensor; sums: Tensor; losses: Tensor } {
  const logits = tf.add(product(hidden, embedding, false, true), bias);
  const shifted = tf.sub(logits, tf.max(logits, 1, true));
  logits.dispose();
  const exponentials = tf.exp(shifted);
  const sums = tf.sum(exponentials, 1, true);
  const wanted = tf.gather(shifted, tf.reshape(targets, [-1, 1]) as Tensor2D, 1, 1);
  return { exponentials, sums, losses: tf.reshape(tf.sub(tf.log(sums), wanted), [-1]) };
}
