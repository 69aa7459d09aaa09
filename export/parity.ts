/**
 * The parity gate: an exported graph must answer as the trainer does before anybody may serve it.
 * It runs the graph in a plain loop of its own, apart from the server's, so that it checks the graph and nothing else.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';

import { type Bundle, layerSizes, LOWEST_FLOAT32, type ParityFigures } from './bundle.ts';

/** The largest difference of a probability that an fp32 graph may show. */
export const FP32_TOLERANCE = 1e-4;

/** Documents that a padded batch of the gate holds. */
const PADDED_BATCH = 8;

/** What of a bundle's description decides how its graph is run. */
export type GraphDescription = Pick<Bundle, 'sizes' | 'chunkLength'>;

/** The trainer's answer: the probabilities [classes] of each document. */
export type ReferenceClassifier = (documents: Int32Array[]) => Promise<Float32Array[]>;

/**
 * The documents that the gate asks about: the given ones, and made from them the lengths where an error would hide: one
 * token, around the border of a chunk, and five chunks.
 *
 * @example
 * gateDocuments([Int32Array.of(2, 14, 9)], 70).map((document) => document.length); // [3, 1, 69, 70, 71, 350]
 */
export function gateDocuments(heldOut: readonly Int32Array[], chunkLength: number): Int32Array[] {
  const given = heldOut.filter((document) => document.length > 0);
  const tokens = given.flatMap((document) => [...document]);
  if (tokens.length === 0) throw new RangeError('The parity gate needs at least one document that is not empty.');
  const ofLength = (length: number): Int32Array => Int32Array.from({ length }, (_, place) => tokens[place % tokens.length] as number);
  const lengths = [1, chunkLength - 1, chunkLength, chunkLength + 1, 5 * chunkLength].filter((length) => length > 0);
  return [...given, ...lengths.map(ofLength)];
}

/**
 * Asks graph and trainer about the same documents, each document alone and in padded batches.
 *
 * @param graphPath `model.onnx` in a folder with its shards.
 * @returns the largest difference of any probability, and how many documents got another label.
 * @throws Error where an answer is not a number or has the wrong size.
 */
export async function measureParity(
  graphPath: string,
  description: GraphDescription,
  documents: readonly Int32Array[],
  reference: ReferenceClassifier,
): Promise<ParityFigures> {
  const expected = await reference([...documents]);
  if (expected.length !== documents.length) throw new Error(`The trainer answered ${expected.length} of ${documents.length} documents.`);
  const session = await InferenceSession.create(graphPath, { executionProviders: ['cpu'] });
  try {
    const figures = { documents: documents.length, maxProbabilityDifference: 0, labelDisagreements: 0 };
    const alone = await inBatches(documents, 1, (batch) => classify(session, description, batch));
    const padded = await inBatches(documents, PADDED_BATCH, (batch) => classify(session, description, batch));
    expected.forEach((probabilities, index) => {
      // Both lists have an answer for every document.
      const answers = [alone[index], padded[index]] as [Float32Array, Float32Array];
      for (const answer of answers)
        figures.maxProbabilityDifference = Math.max(figures.maxProbabilityDifference, largestDifference(answer, probabilities));
      if (answers.some((answer) => largestAt(answer) !== largestAt(probabilities))) figures.labelDisagreements += 1;
    });
    return figures;
  } finally {
    await session.release();
  }
}

/**
 * Refuses a graph that does not answer as the trainer does.
 *
 * @throws Error (a failure of the export, not a mistake of its user).
 */
export function requireParity(figures: ParityFigures, tolerance: number = FP32_TOLERANCE): void {
  if (figures.maxProbabilityDifference <= tolerance) return;
  throw new Error(
    `The exported graph does not answer as the trainer does: probabilities differ by up to ${figures.maxProbabilityDifference.toPrecision(2)} ` +
      `(at most ${tolerance} is accepted), ${figures.labelDisagreements} of ${figures.documents} documents get another label. No bundle was written.`,
  );
}

/**
 * The probabilities of each document, read chunk by chunk in one padded batch. Documents that have ended leave the batch.
 */
export async function classify(
  session: InferenceSession,
  description: GraphDescription,
  documents: readonly Int32Array[],
): Promise<Float32Array[]> {
  const { chunkLength } = description;
  const rows = documents.map((document, index) => ({ document, index, state: freshState(description) }));
  const answers: Float32Array[] = [];
  for (let start = 0; ; start += chunkLength) {
    const open = rows.filter(({ document }) => start < document.length);
    if (open.length === 0) return answers;
    const chunks = open.map(({ document }) => document.subarray(start, start + chunkLength));
    const outputs = await session.run({ ...chunkInputs(chunks), ...joinStates(open.map(({ state }) => state)) });
    open.forEach((row, place) => {
      for (const name of row.state.keys()) row.state.set(name, rowOf(outputs, `new_${name}`, place));
      answers[row.index] = softmax(rowOf(outputs, 'logits', place));
    });
  }
}

/** The state of a document of which nothing has been read, by input name. */
function freshState({ sizes }: GraphDescription): Map<string, Float32Array> {
  const layers = layerSizes(sizes).flatMap((size, layer): [string, Float32Array][] => [
    [`hidden_${layer}`, new Float32Array(size)],
    [`cell_${layer}`, new Float32Array(size)],
  ]);
  return new Map([
    ...layers,
    ['pooled_max', new Float32Array(sizes.embedding).fill(LOWEST_FLOAT32)],
    ['pooled_sum', new Float32Array(sizes.embedding)],
    ['count', new Float32Array(1)],
  ]);
}

/** Token ids [batch, time] and their lengths [batch]. Short rows end in id 1, the padding token; the graph must not care. */
function chunkInputs(chunks: readonly Int32Array[]): Record<string, Tensor> {
  const time = Math.max(...chunks.map((chunk) => chunk.length));
  const tokens = new BigInt64Array(chunks.length * time).fill(1n);
  chunks.forEach((chunk, row) => tokens.set(BigInt64Array.from(chunk, BigInt), row * time));
  return {
    tokens: new Tensor('int64', tokens, [chunks.length, time]),
    lengths: new Tensor(
      'int32',
      Int32Array.from(chunks, (chunk) => chunk.length),
      [chunks.length],
    ),
  };
}

function joinStates(states: readonly ReadonlyMap<string, Float32Array>[]): Record<string, Tensor> {
  const names = [...(states[0]?.keys() ?? [])];
  return Object.fromEntries(
    names.map((name) => {
      const values = states.flatMap((state) => [...(state.get(name) ?? [])]);
      return [name, new Tensor('float32', Float32Array.from(values), [states.length, values.length / states.length])];
    }),
  );
}

/** One row of an output [batch, size]. */
function rowOf(outputs: InferenceSession.ReturnType, name: string, row: number): Float32Array {
  const tensor = outputs[name];
  if (!(tensor?.data instanceof Float32Array)) throw new Error(`The graph has no float32 output "${name}".`);
  const size = tensor.data.length / (tensor.dims[0] ?? 1);
  return tensor.data.slice(row * size, (row + 1) * size);
}

function softmax(logits: Float32Array): Float32Array {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return Float32Array.from(powers, (power) => power / sum);
}

function largestDifference(answer: Float32Array, expected: Float32Array): number {
  if (answer.length !== expected.length) throw new Error(`The graph knows ${answer.length} classes, the trainer ${expected.length}.`);
  const difference = Math.max(...Array.from(answer, (probability, index) => Math.abs(probability - (expected[index] as number))));
  // Every comparison with NaN is false, so it would pass for "not too large".
  if (!Number.isFinite(difference))
    throw new Error("The graph or the trainer answered with something that is not a number. The model's weights are damaged.");
  return difference;
}

function largestAt(probabilities: Float32Array): number {
  return probabilities.indexOf(Math.max(...probabilities));
}

async function inBatches(
  documents: readonly Int32Array[],
  size: number,
  run: (batch: readonly Int32Array[]) => Promise<Float32Array[]>,
): Promise<Float32Array[]> {
  const answers: Float32Array[] = [];
  for (let start = 0; start < documents.length; start += size) answers.push(...(await run(documents.slice(start, start + size))));
  return answers;
}
