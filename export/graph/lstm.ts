import { CELL_GUARDS, GUARDS, HIDDEN_GUARDS, type QuantizedLayer, type QuantizedMatrix } from '../quantize.ts';
import type { GraphBuilder, Value } from './builder.ts';
import type { OnnxLstmLayer } from './classifierWeights.ts';
import { floatWeight, type FloatStorage } from './floatWeight.ts';

/** What the layers read besides the embedded tokens. */
export interface LstmInputs {
  /** [batch] */
  readonly lengths: Value;
  /** Of each layer, [batch, h]. */
  readonly hidden: readonly Value[];
  /** Of each layer, [batch, h]. */
  readonly cell: readonly Value[];
}

/** The last layer's outputs, and its state after each row's last token. */
export interface LastLayer {
  /** [time, batch, E] */
  readonly outputs: Value;
  /** [batch, E] */
  readonly lastHidden: Value;
}

/** One layer's operator and what it has learned. */
interface LstmOperator {
  readonly operator: 'LSTM' | 'com.microsoft.DynamicQuantizeLSTM';
  /** Width of the operator's hidden state, guards included. */
  readonly hiddenSize: number;
  /** W, R and B. */
  readonly weights: readonly Value[];
  /** What comes after the peepholes, which are not used. */
  readonly scales: readonly Value[];
}

/** The guards of all layers' states, [batch, 2], see quantize.ts. */
interface Guards {
  readonly hidden: Value;
  readonly cell: Value;
}

/** The layers in float32. `embedded` is [time, batch, E]. */
export function floatLstmStack(
  graph: GraphBuilder,
  layers: readonly OnnxLstmLayer[],
  storage: FloatStorage,
  embedded: Value,
  inputs: LstmInputs,
): LastLayer {
  const operators = layers.map(({ inputSize, hiddenSize, ...layer }, index): LstmOperator => {
    const weight = (name: string, width: number, data: Float32Array): Value =>
      floatWeight(graph, storage, `lstm_${index}_${name}`, [1, 4 * hiddenSize, width], data);
    return {
      operator: 'LSTM',
      hiddenSize,
      weights: [
        weight('input_weights', inputSize, layer.inputWeights),
        weight('recurrent_weights', hiddenSize, layer.recurrentWeights),
        graph.weight(`lstm_${index}_biases`, [1, 8 * hiddenSize], layer.biases),
      ],
      scales: [],
    };
  });
  return lstmStack(graph, operators, embedded, inputs);
}

/**
 * The layers with products in 8 bits. `embedded` is [time, batch, E + 2], guards included.
 *
 * The operator wants W [1, input, 4h] and R [1, h, 4h], the transposes of what LSTM wants, with the same order of gates; scales and
 * zero points [1, 4h] after the peepholes (onnxruntime/docs/ContribOperators.md, com.microsoft.DynamicQuantizeLSTM).
 */
export function quantizedLstmStack(graph: GraphBuilder, layers: readonly QuantizedLayer[], embedded: Value, inputs: LstmInputs): LastLayer {
  const operators = layers.map(({ inputSize, hiddenSize, ...layer }, index): LstmOperator => {
    const name = `lstm_${index}`;
    const columns = 4 * hiddenSize;
    const zeros = graph.weight(`${name}_zero_points`, [1, columns], new Int8Array(columns));
    const matrix = (which: string, rows: number, { values }: QuantizedMatrix): Value =>
      graph.weight(`${name}_${which}_weights`, [1, rows, columns], values);
    const scales = (which: string, { scales: data }: QuantizedMatrix): Value => graph.weight(`${name}_${which}_scales`, [1, columns], data);
    return {
      operator: 'com.microsoft.DynamicQuantizeLSTM',
      hiddenSize,
      weights: [
        matrix('input', inputSize, layer.inputWeights),
        matrix('recurrent', hiddenSize, layer.recurrentWeights),
        graph.weight(`${name}_biases`, [1, 2 * columns], layer.biases),
      ],
      scales: [scales('input', layer.inputWeights), zeros, scales('recurrent', layer.recurrentWeights), zeros],
    };
  });
  return lstmStack(graph, operators, embedded, inputs, guardsOf(graph, inputs.lengths));
}

/** A row of guards for each document. */
function guardsOf(graph: GraphBuilder, lengths: Value): Guards {
  const batch = graph.node('Shape', [lengths], 'batch_size', 'The number of documents, [1].');
  const one = graph.constant('guards_row', [1], BigInt64Array.of(1n));
  const shape = graph.node('Concat', [batch, one], 'guards_shape', 'The shape [batch, 1].', { axis: 0 });
  const repeat = (name: string, guards: readonly number[]): Value => {
    const row = graph.constant(`${name}_guards_row`, [1, GUARDS], Float32Array.from(guards));
    const docString = `The ends of the range of a ${name} state for every document, [batch, 2]: they fix the scale of its 8-bit copy.`;
    return graph.node('Expand', [row, shape], `${name}_guards`, docString);
  };
  return { hidden: repeat('hidden', HIDDEN_GUARDS), cell: repeat('cell', CELL_GUARDS) };
}

/** All LSTM layers, one after another. Declares the new hidden and cell states, without guards, as outputs. */
function lstmStack(
  graph: GraphBuilder,
  operators: readonly LstmOperator[],
  embedded: Value,
  inputs: LstmInputs,
  guards?: Guards,
): LastLayer {
  const directionAxis = graph.constant('direction_axis', [1], BigInt64Array.of(0n));
  const outputAxis = graph.constant('output_direction_axis', [1], BigInt64Array.of(1n));
  const withoutGuards = guards && guardRemover(graph);
  let below = embedded;
  let lastHidden = embedded;
  operators.forEach(({ operator, hiddenSize, weights, scales }, index) => {
    const start = (state: Value | undefined, guard: Value | undefined): Value | undefined => {
      if (state === undefined) return undefined;
      const whole =
        guard === undefined
          ? state
          : graph.node('Concat', [state, guard], `${state.name}_with_guards`, `The state and its guards, [batch, ${hiddenSize}].`, {
              axis: 1,
            });
      const docString = `The state with the axis of directions, [1, batch, ${hiddenSize}].`;
      return graph.node('Unsqueeze', [whole, directionAxis], `${state.name}_with_direction`, docString);
    };
    const states = [start(inputs.hidden[index], guards?.hidden), start(inputs.cell[index], guards?.cell)];
    const [outputs, hidden, cell] = graph.nodeWithOutputs(
      operator,
      [below, ...weights, inputs.lengths, ...states, ...(scales.length === 0 ? [] : [undefined, ...scales])],
      [`lstm_${index}_outputs`, `lstm_${index}_hidden`, `lstm_${index}_cell`],
      `LSTM layer ${index}: outputs [time, 1, batch, ${hiddenSize}], hidden and cell state after each row's last real token [1, batch, ${hiddenSize}].`,
      { hidden_size: hiddenSize },
    );
    const width = guards === undefined ? hiddenSize : hiddenSize - GUARDS;
    const sequence = `The outputs of LSTM layer ${index}, [time, batch, ${hiddenSize}].`;
    below = graph.node('Squeeze', [outputs, outputAxis], `lstm_${index}_sequence`, sequence);
    const end = (state: Value, name: string, docString: string): Value => {
      const newName = `new_${name}_${index}`;
      const squeeze = (as: string): Value => graph.node('Squeeze', [state, directionAxis], as, docString);
      const value = withoutGuards === undefined ? squeeze(newName) : withoutGuards(squeeze(`${newName}_with_guards`), newName, docString);
      graph.output(value, 'float32', ['batch', width], docString);
      return value;
    };
    lastHidden = end(hidden, 'hidden', `LSTM layer ${index}: hidden state after this chunk.`);
    end(cell, 'cell', `LSTM layer ${index}: cell state after this chunk.`);
  });
  const outputs = withoutGuards?.(below, 'last_outputs', "The last layer's outputs without the guards, [time, batch, embedding].") ?? below;
  return { outputs, lastHidden };
}

/** Cuts the guards off the last axis of values. */
function guardRemover(graph: GraphBuilder): (value: Value, name: string, docString: string) => Value {
  const number = (name: string, value: number): Value => graph.constant(name, [1], BigInt64Array.of(BigInt(value)));
  const bounds = [number('first_unit', 0), number('first_guard', -GUARDS), number('unit_axis', -1)];
  return (value, name, docString) => graph.node('Slice', [value, ...bounds], name, docString);
}
