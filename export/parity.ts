/**
 * The parity gate: exported graphs must answer as the trainer does before anybody may serve them.
 * It runs the graphs in a plain loop of its own, apart from the server's, so that it checks the graphs and nothing else.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';

import { type Answering, answerOf, compareAnswers, differencesOf, largestDifference, meanAnswer } from './answers.ts';
import { type BundleMember, type Direction, layerSizes, LOWEST_FLOAT32, type ParityFigures, type Precision } from './bundle.ts';
import { BATCH_TOLERANCE, MOST_OTHER_LABELS, TOLERANCES } from './tolerances.ts';

/** A difference that decides nothing: where it is all that parts two labels, either may come first. */
const TIE = TOLERANCES.fp32;

/** Documents that a padded batch of the gate holds. */
const PADDED_BATCH = 8;

/** What of a member's description decides how its graph is run. */
export type GraphDescription = Pick<BundleMember, 'sizes' | 'chunkLength'>;

/** The trainer's answer to each document: the probabilities [labels], or the value [1]. */
export type ReferenceClassifier = (documents: Int32Array[]) => Promise<Float32Array[]>;

/** One model and its graph, which shall be shown to be the same. */
export interface GateMember extends GraphDescription {
  readonly direction: Direction;
  /** The graph's file in a folder with its shards. */
  readonly graphPath: string;
  readonly reference: ReferenceClassifier;
  /** The gate's documents as token ids, in the order in which this model reads them. */
  readonly documents: readonly Int32Array[];
}

/** What the gate measured. */
export interface ParityReport {
  /** Of the answers that users get: the means of the members' answers. */
  readonly bundle: ParityFigures;
  /** Of each member alone. */
  readonly members: readonly { readonly direction: Direction; readonly figures: ParityFigures }[];
  /** The trainer's answers to the documents, in their order: the means of the members' answers. */
  readonly expected: readonly Float32Array[];
}

/**
 * The documents that the gate asks about: the given ones, and made from them the lengths where an error would hide: one
 * token, around the border of a chunk, and five chunks.
 *
 * @param heldOut documents as lists of tokens.
 * @param chunkLengths of all members.
 * @example
 * gateDocuments([['xxbos', 'good', '!']], [70]).map((document) => document.length); // [3, 1, 69, 70, 71, 350]
 */
export function gateDocuments(heldOut: readonly (readonly string[])[], chunkLengths: readonly number[]): (readonly string[])[] {
  const given = heldOut.filter((document) => document.length > 0);
  const tokens = given.flat();
  if (tokens.length === 0) throw new RangeError('The parity gate needs at least one document that is not empty.');
  const ofLength = (length: number): string[] => Array.from({ length }, (_, place) => tokens[place % tokens.length] as string);
  const borders = [...new Set(chunkLengths)].flatMap((chunk) => [chunk - 1, chunk, chunk + 1, 5 * chunk]);
  const lengths = [1, ...borders].filter((length) => length > 0);
  return [...given, ...lengths.map(ofLength)];
}

/**
 * Asks graphs and trainer about the same documents, each document alone and in padded batches.
 *
 * @returns the largest difference of any answer, and how many documents got another label.
 * @throws Error where an answer is not a number or has the wrong size.
 */
export async function measureParity(answering: Answering, members: readonly GateMember[]): Promise<ParityReport> {
  const answers: MemberAnswers[] = [];
  for (const member of members) answers.push(await askMember(answering, member));
  const compare = ({ expected, alone, padded }: MemberAnswers): ParityFigures => ({
    ...compareAnswers(answering, expected, [alone, padded], TIE),
    maxBatchDifference: largestDifference(answering, alone, padded),
  });
  const together = (which: keyof MemberAnswers): Float32Array[] =>
    (answers[0]?.[which] ?? []).map((_, index) => meanAnswer(answers.map((member) => member[which][index] ?? new Float32Array())));
  const ofMembers = members.map(({ direction }, index) => ({ direction, figures: compare(answers[index] as MemberAnswers) }));
  const expected = together('expected');
  const ofBundle = compare({ expected, alone: together('alone'), padded: together('padded') });
  return { bundle: ofBundle, members: ofMembers, expected };
}

/** What trainer and graph made of each document. */
interface MemberAnswers {
  readonly expected: readonly Float32Array[];
  readonly alone: readonly Float32Array[];
  readonly padded: readonly Float32Array[];
}

async function askMember(answering: Answering, member: GateMember): Promise<MemberAnswers> {
  const { documents, graphPath, reference } = member;
  const expected = await reference([...documents]);
  if (expected.length !== documents.length) throw new Error(`The trainer answered ${expected.length} of ${documents.length} documents.`);
  const session = await openGraph(graphPath);
  try {
    const ask = async (size: number): Promise<Float32Array[]> => {
      const logits = await inBatches(documents, size, (batch) => graphLogits(session, member, batch));
      return logits.map((row) => answerOf(answering, row));
    };
    return { expected, alone: await ask(1), padded: await ask(PADDED_BATCH) };
  } finally {
    await session.release();
  }
}

/**
 * Opens a graph in a folder with its shards.
 *
 * @param threads that one product is spread over; as many as the machine has cores unless told.
 */
export function openGraph(path: string, threads = 0): Promise<InferenceSession> {
  return InferenceSession.create(path, { executionProviders: ['cpu'], intraOpNumThreads: threads });
}

/**
 * Refuses graphs that do not answer as the trainer does, each alone or together.
 *
 * @throws Error (a failure of the export, not a mistake of its user).
 */
export function requireParity({ bundle, members }: Pick<ParityReport, 'bundle' | 'members'>, precision: Precision = 'fp32'): void {
  for (const { direction, figures } of members) requireFigures(figures, precision, `The exported ${direction} graph does`);
  requireFigures(bundle, precision, 'Together the exported graphs do');
}

function requireFigures(figures: ParityFigures, precision: Precision, whatDoes: string): void {
  const { documents, maxBatchDifference = 0 } = figures;
  const isValue = 'maxRelativeDifference' in figures;
  const { largest, others } = differencesOf(figures);
  const advice = precision === 'fp32' ? '' : ` The model does not bear ${precision}: export it with more bits.`;
  // Every comparison with NaN is false, so these ask for what is good.
  if (!(largest <= TOLERANCES[precision] && others <= MOST_OTHER_LABELS * documents)) {
    const differ = `differ by up to ${largest.toPrecision(2)} (at most ${TOLERANCES[precision]} is accepted)`;
    throw new Error(
      `${whatDoes} not answer as the trainer does: ` +
        (isValue
          ? `values, as a share of their range or of themselves, ${differ}. `
          : `probabilities ${differ}, ${others} of ${documents} documents get another label (at most ${100 * MOST_OTHER_LABELS} % may). `) +
        `No bundle was written.${advice}`,
    );
  }
  if (!(maxBatchDifference <= BATCH_TOLERANCE)) {
    throw new Error(
      `${whatDoes} not answer each document by itself: beside others the answers differ by up to ${maxBatchDifference.toPrecision(2)} ` +
        `(at most ${BATCH_TOLERANCE} is accepted). No bundle was written.`,
    );
  }
}

/**
 * The logits of each document, read chunk by chunk in one padded batch. Documents that have ended leave the batch.
 *
 * @param documents as token ids, in the order in which the model reads them.
 */
export async function graphLogits(
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
      answers[row.index] = rowOf(outputs, 'logits', place);
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

async function inBatches(
  documents: readonly Int32Array[],
  size: number,
  run: (batch: readonly Int32Array[]) => Promise<Float32Array[]>,
): Promise<Float32Array[]> {
  const answers: Float32Array[] = [];
  for (let start = 0; start < documents.length; start += size) answers.push(...(await run(documents.slice(start, start + size))));
  return answers;
}
