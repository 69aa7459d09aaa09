import { TensorProto_DataType as DataType } from 'onnx-buf';

import type { GraphBuilder, Value, WeightPart } from './builder.ts';

/** Vectors of all tokens, one after another: float32, the bits of float16, or 8-bit integers. */
export type EmbeddingTable = Float32Array | Uint16Array | Int8Array;

const RESULT = 'A vector for each token, [time, batch, embedding].';

/**
 * Token ids [batch, time] to their vectors [time, batch, E] in float32: time first, the only layout that onnxruntime's LSTM knows.
 *
 * A table too large for one shard is looked up part by part, and each token keeps the vector of the part that it is in. To
 * join the parts first would cost a private copy of the table, while onnxruntime maps weight files straight from the disk:
 * with 60,000 × 400 numbers, 94 MB more for the life of the session (onnxruntime-node 1.30, resident memory after opening).
 */
export function embed(graph: GraphBuilder, vocabulary: number, table: EmbeddingTable, tokens: Value): Value {
  const parts = graph.weightParts('embedding', [vocabulary, table.length / vocabulary], table);
  const ids = graph.node('Transpose', [tokens], 'tokens_time_major', 'Token ids, [time, batch].', { perm: [1, 0] });
  const [only] = parts;
  const lookUp: LookUp = (part, rows, name) => {
    if (table instanceof Float32Array) return gather(graph, part, rows, name, RESULT);
    const stored = gather(graph, part, rows, `${name}_as_stored`, `${RESULT} As the file holds it.`);
    return graph.node('Cast', [stored], name, `${RESULT} As float32.`, { to: DataType.FLOAT });
  };
  if (parts.length === 1 && only !== undefined) return lookUp(only, ids, 'embedded');
  return lookUpInParts(graph, parts, ids, lookUp);
}

/** Looks ids up in a part of the table: float32 vectors. */
type LookUp = (part: WeightPart, ids: Value, name: string) => Value;

function gather(graph: GraphBuilder, part: WeightPart, ids: Value, name: string, docString: string): Value {
  return graph.node('Gather', [part.value, ids], name, docString, { axis: 0 });
}

/** Looks every id up in every part, with ids of other parts moved to some row of this one, and keeps the vectors that count. */
function lookUpInParts(graph: GraphBuilder, parts: readonly WeightPart[], ids: Value, lookUp: LookUp): Value {
  const lastAxis = graph.constant('vector_axis', [1], BigInt64Array.of(2n));
  const column = graph.node('Unsqueeze', [ids, lastAxis], 'tokens_column', 'Token ids, [time, batch, 1].');
  const number = (name: string, value: number): Value => graph.constant(name, [], BigInt64Array.of(BigInt(value)));

  return parts.reduce<Value>((before, part, place) => {
    const isFirst = place === 0;
    const isLast = place === parts.length - 1;
    let rows = ids;
    const start = isFirst ? undefined : number(`embedding_part${place}_start`, part.start);
    if (!isFirst) {
      rows = graph.node('Sub', [rows, start], `rows_from_part${place}`, 'Ids counted from the first row of this part.');
      const first = number(`embedding_part${place}_first`, 0);
      rows = graph.node('Max', [rows, first], `rows_not_before_part${place}`, 'Ids of earlier parts moved to the first row.');
    }
    // The last part has no upper bound, so that an id outside the vocabulary is an error and not some other word.
    if (!isLast) {
      const last = number(`embedding_part${place}_last`, part.rows - 1);
      rows = graph.node('Min', [rows, last], `rows_in_part${place}`, 'Ids of later parts moved to the last row.');
    }
    const found = lookUp(part, rows, `embedded_part${place}`);
    if (isFirst) return found;
    const isHere = graph.node('GreaterOrEqual', [column, start], `is_from_part${place}`, 'Whether a token is in this part or a later one.');
    return graph.node('Where', [isHere, found, before], isLast ? 'embedded' : `embedded_to_part${place}`, RESULT);
  }, ids);
}
