import { toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema, TensorProto_DataType as DataType } from 'onnx-buf';

import { type Direction, layerSizes, LOWEST_FLOAT32, type ModelSizes, type Precision } from '../bundle.ts';
import { quantizeClassifier } from '../quantize.ts';
import { GraphBuilder, type Value } from './builder.ts';
import type { ClassifierWeights, HeadBlock } from './classifierWeights.ts';
import { embed, type EmbeddingTable } from './embedding.ts';
import { halves } from './floatWeight.ts';
import { floatLstmStack, type LastLayer, type LstmInputs, quantizedLstmStack } from './lstm.ts';
import { MAX_SHARD_BYTES, WeightShards } from './weightShards.ts';

/** The graph file and the weight files beside it. */
export interface ChunkStepFiles {
  readonly graph: Uint8Array;
  readonly shards: ReadonlyMap<string, Uint8Array>;
}

export interface ChunkStepOptions {
  /** Name and version of the program that writes the graph. */
  readonly producer: readonly [name: string, version: string];
  /** What a stranger with only the graph file should know: task, labels, licence. */
  readonly metadata: Readonly<Record<string, string>>;
  /** How an answer is made of the logits, a sentence for their description. */
  readonly answer: string;
  /** Which end of a document the model begins at. It decides nothing in the graph, but how it must be fed. */
  readonly direction: Direction;
  /** How the weights are stored and computed with; `fp32` unless told. */
  readonly precision?: Precision;
  /** What the weight files' names begin with; nothing unless told. */
  readonly filePrefix?: string;
  /** The most bytes of a weight file; 24 MiB unless told. */
  readonly maxShardBytes?: number;
}

const DESCRIPTION =
  'One chunk step of a ULMFiT text classifier (Howard & Ruder 2018): reads the next tokens of a batch of documents, each from where ' +
  'its last chunk ended, and answers with the logits of each document so far. Feed every new_… output to the input of that name for ' +
  'the next chunk. A new document starts with zeros in hidden_…, cell_…, pooled_sum and count, and -3.4028235e38 in pooled_max.';

const ORDERS: Readonly<Record<Direction, string>> = {
  forward: 'It reads a document from its first token to its last.',
  backward: 'It reads a document from its last token to its first: feed the tokens in reverse order.',
};

const FLOAT = 'float32';

/**
 * Builds the ONNX graph of one chunk step: embedding → LSTM layers → running concat pooling → head (ULMFiT, section 3.3).
 *
 * Inputs: `tokens` [batch, time] int64; `lengths` [batch] int32, the real tokens of each row, at least 1; the state
 * `hidden_{l}`, `cell_{l}` [batch, h_l], `pooled_max`, `pooled_sum` [batch, E], `count` [batch, 1].
 * Outputs: `logits` [batch, classes] and the new state, every name with `new_` before it. What stands in `tokens` after a
 * row's length must be some token of the vocabulary, and changes nothing. Whatever the precision, all of these are float32.
 */
export function buildChunkStep(weights: ClassifierWeights, options: ChunkStepOptions): ChunkStepFiles {
  const shards = new WeightShards(options.maxShardBytes ?? MAX_SHARD_BYTES, options.filePrefix);
  const graph = new GraphBuilder('ulmfit_chunk_step', `${DESCRIPTION} ${ORDERS[options.direction]}`, shards);

  const inputs = declareInputs(graph, weights.sizes);
  const isToken = tokenMask(graph, inputs.tokens, inputs.lengths);
  const last = encoder(graph, weights, options.precision ?? 'fp32', inputs);
  const pooled = pool(graph, weights.sizes.embedding, last, isToken, inputs);
  const logits = head(graph, weights.head, pooled);
  graph.output(logits, FLOAT, ['batch', weights.classes], `What the model makes of the document so far. ${options.answer}`);

  const model = graph.model(options);
  return { graph: toBinary(ModelProtoSchema, model), shards: shards.files() };
}

interface ChunkInputs extends LstmInputs {
  readonly tokens: Value;
  readonly pooledMax: Value;
  readonly pooledSum: Value;
  readonly count: Value;
}

function declareInputs(graph: GraphBuilder, sizes: ModelSizes): ChunkInputs {
  const tokens = graph.input('tokens', 'int64', ['batch', 'time'], 'The token ids of the next chunk of each document.');
  const lengths = graph.input(
    'lengths',
    'int32',
    ['batch'],
    "How many of a row's tokens are real, at least 1; the rest is padding and changes nothing.",
  );
  const state = (name: string, size: number, docString: string): Value => graph.input(name, FLOAT, ['batch', size], docString);
  const hidden: Value[] = [];
  const cell: Value[] = [];
  layerSizes(sizes).forEach((size, layer) => {
    hidden.push(state(`hidden_${layer}`, size, `LSTM layer ${layer}: hidden state after the last chunk; zeros at first.`));
    cell.push(state(`cell_${layer}`, size, `LSTM layer ${layer}: cell state after the last chunk; zeros at first.`));
  });
  return {
    tokens,
    lengths,
    hidden,
    cell,
    pooledMax: state('pooled_max', sizes.embedding, 'The largest output of the last layer so far; -3.4028235e38 at first.'),
    pooledSum: state('pooled_sum', sizes.embedding, "The sum of the last layer's outputs so far; zeros at first."),
    count: state('count', 1, 'How many tokens have been read so far; zero at first.'),
  };
}

/** Embedding and LSTM layers. */
function encoder(graph: GraphBuilder, weights: ClassifierWeights, precision: Precision, inputs: ChunkInputs): LastLayer {
  const embedWith = (table: EmbeddingTable): Value => embed(graph, weights.sizes.vocabulary, table, inputs.tokens);
  if (precision === 'int8') {
    const { embedding, layers } = quantizeClassifier(weights);
    return quantizedLstmStack(graph, layers, embedWith(embedding), inputs);
  }
  const storage = precision === 'fp16' ? 'float16' : 'float32';
  const table = storage === 'float16' ? halves('The embedding', weights.embedding) : weights.embedding;
  return floatLstmStack(graph, weights.layers, storage, embedWith(table), inputs);
}

/** Which places of [time, batch, 1] hold a real token. */
function tokenMask(graph: GraphBuilder, tokens: Value, lengths: Value): Value {
  const scalar = (name: string, value: bigint): Value => graph.constant(name, [], BigInt64Array.of(value));
  const shape = graph.node('Shape', [tokens], 'time_size_vector', 'The number of time steps, [1].', { start: 1, end: 2 });
  const time = graph.node('Squeeze', [shape], 'time_size', 'The number of time steps, a scalar.');
  const steps = graph.node('Range', [scalar('zero', 0n), time, scalar('one', 1n)], 'steps', '0, 1, …, time − 1.');
  const lastAxis = graph.constant('mask_axes', [2], BigInt64Array.of(1n, 2n));
  const column = graph.node('Unsqueeze', [steps, lastAxis], 'steps_column', 'The steps, [time, 1, 1].');
  const wide = graph.node('Cast', [lengths], 'lengths_int64', "The lengths in the steps' type.", { to: DataType.INT64 });
  const ends = graph.node('Unsqueeze', [wide, graph.constant('ends_axis', [1], BigInt64Array.of(1n))], 'ends', 'The lengths, [batch, 1].');
  return graph.node('Less', [column, ends], 'is_token', 'Whether a place holds a real token, [time, batch, 1].');
}

/**
 * Concat pooling (ULMFiT, section 3.3) of the document so far: [last, maximum, mean], [batch, 3E].
 * Declares the new running values as outputs. Padding is masked before both reductions: onnxruntime leaves zeros there,
 * which are above a maximum of negative numbers, and the ONNX standard does not promise even those.
 */
function pool(graph: GraphBuilder, embedding: number, last: LastLayer, isToken: Value, inputs: ChunkInputs): Value {
  const keep = (value: Value, docString: string): Value => {
    graph.output(value, FLOAT, ['batch', embedding], docString);
    return value;
  };
  const without = (name: string, padding: number, docString: string): Value =>
    graph.node('Where', [isToken, last.outputs, graph.constant(`${name}_padding`, [], Float32Array.of(padding))], name, docString);

  const forMaximum = without('outputs_for_maximum', LOWEST_FLOAT32, 'The last outputs with the lowest number in place of padding.');
  const timeAxis = graph.constant('time_axis', [1], BigInt64Array.of(0n));
  const reduce = (operator: string, value: Value, name: string, docString: string): Value =>
    graph.node(operator, [value, timeAxis], name, docString, { keepdims: 0 });
  const maximum = reduce('ReduceMax', forMaximum, 'chunk_max', 'The maximum over this chunk, [batch, embedding].');
  const maximumSoFar = graph.node('Max', [inputs.pooledMax, maximum], 'new_pooled_max', 'The maximum over the document so far.');

  const forSum = without('outputs_for_sum', 0, 'The last outputs with zero in place of padding.');
  const sum = reduce('ReduceSum', forSum, 'chunk_sum', 'The sum over this chunk, [batch, embedding].');
  const sumSoFar = graph.node('Add', [inputs.pooledSum, sum], 'new_pooled_sum', 'The sum over the document so far.');

  const lengths = graph.node('Cast', [inputs.lengths], 'lengths_float', 'The lengths as float32.', { to: DataType.FLOAT });
  const column = graph.node(
    'Unsqueeze',
    [lengths, graph.constant('count_axis', [1], BigInt64Array.of(1n))],
    'lengths_column',
    'The lengths, [batch, 1].',
  );
  const countSoFar = graph.node('Add', [inputs.count, column], 'new_count', 'Tokens of the document so far.');

  keep(maximumSoFar, 'The largest output of the last layer so far.');
  keep(sumSoFar, "The sum of the last layer's outputs so far.");
  graph.output(countSoFar, FLOAT, ['batch', 1], 'How many tokens have been read so far.');

  const mean = graph.node('Div', [sumSoFar, countSoFar], 'mean_so_far', 'The mean over the document so far.');
  return graph.node(
    'Concat',
    [last.lastHidden, maximumSoFar, mean],
    'pooled',
    'Concat pooling: last, maximum, mean, [batch, 3 · embedding].',
    { axis: 1 },
  );
}

/** Batch norm → linear → ReLU → batch norm → linear; dropout does nothing outside training. */
function head(graph: GraphBuilder, [hidden, output]: ClassifierWeights['head'], pooled: Value): Value {
  const activated = graph.node('Relu', [headBlock(graph, hidden, 0, pooled, 'head_0')], 'head_0_activated', 'ReLU.');
  return headBlock(graph, output, 1, activated, 'logits');
}

function headBlock(graph: GraphBuilder, block: HeadBlock, index: number, input: Value, name: string): Value {
  const mean = graph.weight(`head_${index}_mean`, [block.inputSize], block.mean);
  const centred = graph.node('Sub', [input, mean], `head_${index}_centred`, 'Minus the running mean of the batch normalization.');
  return graph.node(
    'Gemm',
    [
      centred,
      graph.weight(`head_${index}_weight`, [block.inputSize, block.outputSize], block.weight),
      graph.weight(`head_${index}_bias`, [block.outputSize], block.bias),
    ],
    name,
    'The rest of the batch normalization and the linear layer, in one product.',
  );
}
