import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  AttributeProto_AttributeType as AttributeType,
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProto_DataLocation as DataLocation,
  TensorProto_DataType as DataType,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type TensorShapeProto_Dimension,
  type ValueInfoProto,
} from 'onnx-buf';

import type { WeightShards } from './weightShards.ts';

/** A named tensor that flows through the graph. */
export interface Value {
  readonly name: string;
}

/** A piece of a learned tensor: `rows` of its rows, from row `start` on. */
export interface WeightPart {
  readonly value: Value;
  readonly start: number;
  readonly rows: number;
}

/** The element types that the chunk step uses. */
export type ElementType = 'float32' | 'int32' | 'int64';

/** One axis of an input or output: a fixed size, or the name of a size that is known when the graph runs. */
export type Dimension = number | string;

/** The numbers of a learned tensor: float32, float16 as their bits, or int8. */
export type WeightData = Float32Array | Uint16Array | Int8Array;

/** An operator's settings. Integers and lists of integers; no operator here needs another kind. */
export type Attributes = Readonly<Record<string, number | readonly number[]>>;

/**
 * Operator set 18 and intermediate representation 8 (ONNX 1.13, December 2022): the oldest pair that has every operator
 * used here in its present form, so that every onnxruntime since 1.14, native and web, runs the file.
 * https://github.com/onnx/onnx/blob/main/docs/Versioning.md
 */
export const OPERATOR_SET = 18;
export const IR_VERSION = 8;

/** Tensors of at most this many bytes stay in the graph file, as `onnx.save_model` does with its default `size_threshold`. */
export const INLINE_BYTES = 1024;

/** The version of onnxruntime's own operators, of which there is one (onnxruntime/docs/ContribOperators.md). */
const CONTRIBUTED_OPERATOR_SET = 1;

const DATA_TYPES: Readonly<Record<ElementType, DataType>> = {
  float32: DataType.FLOAT,
  int32: DataType.INT32,
  int64: DataType.INT64,
};

/**
 * Collects the nodes, weights, inputs and outputs of one ONNX graph and checks names as it goes:
 * every value is made once, and before it is used.
 *
 * @example
 * const graph = new GraphBuilder('double', 'Adds a number to itself.', new WeightShards());
 * const x = graph.input('x', 'float32', ['batch'], 'The numbers.');
 * graph.output(graph.node('Add', [x, x], 'twice', 'Their doubles.'), 'float32', ['batch'], 'The doubles.');
 * const model = graph.model({ producer: ['ulmfit', '0.1.0'], metadata: {} });
 */
export class GraphBuilder {
  readonly #name: string;
  readonly #docString: string;
  readonly #shards: WeightShards;
  readonly #nodes: NodeProto[] = [];
  readonly #initializers: TensorProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs: ValueInfoProto[] = [];
  readonly #names = new Set<string>();

  constructor(name: string, docString: string, shards: WeightShards) {
    this.#name = name;
    this.#docString = docString;
    this.#shards = shards;
  }

  /** Declares an input of the graph. */
  input(name: string, type: ElementType, shape: readonly Dimension[], docString: string): Value {
    this.#inputs.push(valueInfo(name, type, shape, docString));
    return this.#define(name);
  }

  /** Declares a value that a node has made to be an output of the graph, under its own name. */
  output(value: Value, type: ElementType, shape: readonly Dimension[], docString: string): void {
    this.#outputs.push(valueInfo(this.#used(value), type, shape, docString));
  }

  /** A small tensor that is part of the rule rather than of what was learned: an axis, a bound. Always inside the graph file. */
  constant(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): Value {
    return this.#inline(name, shape, data);
  }

  /**
   * A learned tensor. Small ones stay in the graph file, large ones go to a shard. One that no shard can hold is cut as in
   * {@link weightParts}, and a Concat joins the parts. onnxruntime folds that Concat once, when it opens the session; a
   * session with `graphOptimizationLevel: 'disabled'` would copy the tensor at every run.
   */
  weight(name: string, shape: readonly number[], data: WeightData): Value {
    const axis = firstLongAxis(shape);
    const parts = this.weightParts(name, shape, data);
    const [whole] = parts;
    if (parts.length === 1 && whole !== undefined) return whole.value;
    return this.node(
      'Concat',
      parts.map(({ value }) => value),
      name,
      `${name} in one piece; a file may not be larger than a shard.`,
      { axis },
    );
  }

  /**
   * A learned tensor in as few pieces as shards allow: `name` alone, or `name.part0`, `name.part1`, …, cut along the
   * first axis longer than 1. Throws a RangeError where even one row of that axis is larger than a shard.
   */
  weightParts(name: string, shape: readonly number[], data: WeightData): WeightPart[] {
    const axis = firstLongAxis(shape);
    const rows = shape[axis] ?? 1;
    if (data.byteLength <= INLINE_BYTES) return [{ value: this.#inline(name, shape, data), start: 0, rows }];
    if (data.byteLength <= this.#shards.maxBytes) return [{ value: this.#external(name, shape, data), start: 0, rows }];

    const rowElements = data.length / rows;
    const rowsPerPart = Math.floor(this.#shards.maxBytes / (rowElements * data.BYTES_PER_ELEMENT));
    if (rowsPerPart === 0)
      throw new RangeError(`One row of ${name} [${shape.join(', ')}] is larger than a shard of ${this.#shards.maxBytes} bytes.`);
    const parts: WeightPart[] = [];
    for (let start = 0; start < rows; start += rowsPerPart) {
      const end = Math.min(rows, start + rowsPerPart);
      const value = this.#external(
        `${name}.part${parts.length}`,
        shape.with(axis, end - start),
        data.subarray(start * rowElements, end * rowElements),
      );
      parts.push({ value, start, rows: end - start });
    }
    return parts;
  }

  /**
   * Adds an operator with one output, which takes the operator's name. Its type may have a domain before it, as in
   * `com.microsoft.DynamicQuantizeLSTM`; without one it is of the ONNX standard. An input left undefined is one that
   * the operator may do without.
   */
  node(operator: string, inputs: readonly (Value | undefined)[], output: string, docString: string, attributes: Attributes = {}): Value {
    return this.nodeWithOutputs(operator, inputs, [output] as const, docString, attributes)[0];
  }

  /** Adds an operator with several outputs. It takes the name of the first one. */
  nodeWithOutputs<const Names extends readonly [string, ...string[]]>(
    operator: string,
    inputs: readonly (Value | undefined)[],
    outputs: Names,
    docString: string,
    attributes: Attributes = {},
  ): { [Position in keyof Names]: Value } {
    const dot = operator.lastIndexOf('.');
    this.#nodes.push(
      create(NodeProtoSchema, {
        name: outputs[0],
        opType: operator.slice(dot + 1),
        domain: operator.slice(0, Math.max(0, dot)),
        input: inputs.map((value) => (value === undefined ? '' : this.#used(value))),
        output: [...outputs],
        attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
        docString,
      }),
    );
    // `map` of a tuple type gives an array type; the positions are the same.
    return outputs.map((name) => this.#define(name)) as { [Position in keyof Names]: Value };
  }

  /** The finished model, with its metadata as text. */
  model(options: {
    readonly producer: readonly [name: string, version: string];
    readonly metadata: Readonly<Record<string, string>>;
  }): ModelProto {
    const [producerName, producerVersion] = options.producer;
    const domains = [...new Set(this.#nodes.map(({ domain }) => domain))].filter((domain) => domain !== '');
    return create(ModelProtoSchema, {
      irVersion: BigInt(IR_VERSION),
      opsetImport: [
        { domain: '', version: BigInt(OPERATOR_SET) },
        ...domains.map((domain) => ({ domain, version: BigInt(CONTRIBUTED_OPERATOR_SET) })),
      ],
      producerName,
      producerVersion,
      docString: this.#docString,
      metadataProps: Object.entries(options.metadata).map(([key, value]) => ({ key, value })),
      graph: create(GraphProtoSchema, {
        name: this.#name,
        docString: this.#docString,
        node: this.#nodes,
        initializer: this.#initializers,
        input: this.#inputs,
        output: this.#outputs,
      }),
    });
  }

  #inline(name: string, shape: readonly number[], data: WeightData | BigInt64Array): Value {
    this.#initializers.push(inlineTensor(name, shape, data));
    return this.#define(name);
  }

  #external(name: string, shape: readonly number[], data: WeightData): Value {
    checkLength(name, shape, data.length);
    const slice = this.#shards.place(bytesOf(data));
    this.#initializers.push(
      create(TensorProtoSchema, {
        name,
        dims: shape.map(BigInt),
        dataType: dataTypeOf(data),
        dataLocation: DataLocation.EXTERNAL,
        externalData: Object.entries(slice).map(([key, value]) => ({ key, value: String(value) })),
      }),
    );
    return this.#define(name);
  }

  #define(name: string): Value {
    if (this.#names.has(name)) throw new Error(`The graph has two values named "${name}".`);
    this.#names.add(name);
    return { name };
  }

  #used({ name }: Value): string {
    if (!this.#names.has(name)) throw new Error(`The graph uses "${name}" before anything makes it.`);
    return name;
  }
}

/** The axis along which a tensor can be cut without moving a number: everything before it has the size 1. */
function firstLongAxis(shape: readonly number[]): number {
  return Math.max(
    0,
    shape.findIndex((size) => size > 1),
  );
}

function inlineTensor(name: string, shape: readonly number[], data: WeightData | BigInt64Array): TensorProto {
  checkLength(name, shape, data.length);
  return create(TensorProtoSchema, {
    name,
    dims: shape.map(BigInt),
    dataType: dataTypeOf(data),
    rawData: Uint8Array.from(bytesOf(data)),
  });
}

function valueInfo(name: string, type: ElementType, shape: readonly Dimension[], docString: string): ValueInfoProto {
  return create(ValueInfoProtoSchema, {
    name,
    docString,
    type: {
      value: {
        case: 'tensorType',
        value: {
          elemType: DATA_TYPES[type],
          shape: { dim: shape.map(dimension) },
        },
      },
    },
  });
}

function dimension(size: Dimension): TensorShapeProto_Dimension {
  const value = typeof size === 'number' ? { case: 'dimValue' as const, value: BigInt(size) } : { case: 'dimParam' as const, value: size };
  return create(TensorShapeProto_DimensionSchema, { value });
}

function attribute(name: string, value: number | readonly number[]): AttributeProto {
  const content: MessageInitShape<typeof AttributeProtoSchema> =
    typeof value === 'number' ? { type: AttributeType.INT, i: BigInt(value) } : { type: AttributeType.INTS, ints: value.map(BigInt) };
  return create(AttributeProtoSchema, { name, ...content });
}

function checkLength(name: string, shape: readonly number[], length: number): void {
  const expected = shape.reduce((product, size) => product * size, 1);
  if (length !== expected) throw new Error(`${name} has the shape [${shape.join(', ')}], ${expected} numbers, but ${length} were given.`);
}

function dataTypeOf(data: WeightData | BigInt64Array): DataType {
  if (data instanceof Float32Array) return DataType.FLOAT;
  if (data instanceof Uint16Array) return DataType.FLOAT16;
  return data instanceof Int8Array ? DataType.INT8 : DataType.INT64;
}

/** The numbers' bytes. ONNX wants them little-endian, which is what every machine that Node runs on here stores. */
function bytesOf(data: WeightData | BigInt64Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
