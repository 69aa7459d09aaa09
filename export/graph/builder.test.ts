import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';

import { GraphBuilder } from './builder.ts';
import { WeightShards } from './weightShards.ts';

const producer = ['test', '1'] as const;

function builder(maxShardBytes?: number): { graph: GraphBuilder; shards: WeightShards } {
  const shards = new WeightShards(maxShardBytes);
  return { graph: new GraphBuilder('test_graph', 'A graph for a test.', shards), shards };
}

describe('GraphBuilder', () => {
  it('builds a graph that onnxruntime runs', async () => {
    const { graph } = builder();
    const x = graph.input('x', 'float32', ['batch', 2], 'Pairs.');
    const weight = graph.weight('weight', [2], Float32Array.of(10, 100));
    const scaled = graph.node('Mul', [x, weight], 'scaled', 'The pairs, scaled.');
    graph.output(scaled, 'float32', ['batch', 2], 'The pairs, scaled.');

    const session = await InferenceSession.create(toBinary(ModelProtoSchema, graph.model({ producer, metadata: {} })));
    const { scaled: result } = await session.run({ x: new Tensor('float32', [1, 2, 3, 4], [2, 2]) });
    expect(result?.data).toEqual(Float32Array.of(10, 200, 30, 400));
    await session.release();
  });

  it('writes names, descriptions, shapes and metadata that a reader of the file finds', () => {
    const { graph } = builder();
    const x = graph.input('x', 'int64', ['batch', 3], 'Numbers.');
    graph.output(graph.node('Abs', [x], 'magnitudes', 'Without their signs.'), 'int64', ['batch', 3], 'Magnitudes.');
    const model = fromBinary(ModelProtoSchema, toBinary(ModelProtoSchema, graph.model({ producer, metadata: { task: 'test' } })));

    expect([model.producerName, model.producerVersion]).toEqual(['test', '1']);
    expect(model.metadataProps.map(({ key, value }) => [key, value])).toEqual([['task', 'test']]);
    expect(model.graph?.docString).toBe('A graph for a test.');
    expect(model.graph?.input[0]?.docString).toBe('Numbers.');
    const type = model.graph?.output[0]?.type?.value;
    expect(type?.case === 'tensorType' && type.value.shape?.dim.map((dimension) => dimension.value.value)).toEqual(['batch', 3n]);
    expect(model.graph?.node[0]).toMatchObject({ name: 'magnitudes', opType: 'Abs', docString: 'Without their signs.' });
  });

  it('keeps small weights in the graph and puts large ones into shards', () => {
    const { graph, shards } = builder();
    graph.weight('small', [256], new Float32Array(256));
    graph.weight('large', [257], new Float32Array(257).fill(2));
    const initializers = graph.model({ producer, metadata: {} }).graph?.initializer ?? [];

    expect(
      initializers.map(({ name, rawData, externalData }) => [
        name,
        rawData.length,
        externalData.map(({ key, value }) => `${key}=${value}`),
      ]),
    ).toEqual([
      ['small', 1024, []],
      ['large', 0, ['location=weights-00.bin', 'offset=0', 'length=1028']],
    ]);
    expect(shards.files().get('weights-00.bin')?.length).toBe(1028);
  });

  it('cuts a weight that is larger than a shard along its first axis longer than 1', () => {
    const { graph, shards } = builder(4096);
    const data = Float32Array.from({ length: 5 * 300 }, (_, index) => index);
    graph.weight('huge', [1, 5, 300], data);
    const written = graph.model({ producer, metadata: {} }).graph;

    expect(written?.initializer.map(({ name, dims }) => [name, dims])).toEqual([
      ['huge.part0', [1n, 3n, 300n]],
      ['huge.part1', [1n, 2n, 300n]],
    ]);
    expect(written?.node).toMatchObject([
      { opType: 'Concat', input: ['huge.part0', 'huge.part1'], output: ['huge'], attribute: [{ name: 'axis', i: 1n }] },
    ]);
    const files = [...shards.files().values()].map((file) => [...new Float32Array(file.buffer, 0, file.length / 4)]);
    expect(files.flat()).toEqual([...data]);
  });

  it('refuses what would be a broken graph', () => {
    const { graph } = builder(4096);
    const x = graph.input('x', 'float32', [2], 'A pair.');
    expect(() => graph.input('x', 'float32', [2], 'Another.')).toThrow('two values named "x"');
    expect(() => graph.node('Abs', [{ name: 'y' }], 'z', 'Of nothing.')).toThrow('uses "y" before anything makes it');
    expect(() => graph.output({ name: 'y' }, 'float32', [2], 'Nothing.')).toThrow('uses "y" before anything makes it');
    expect(() => graph.weight('w', [2, 3], new Float32Array(5))).toThrow('w has the shape [2, 3], 6 numbers, but 5 were given');
    expect(() => graph.weight('wide', [2, 2000], new Float32Array(4000))).toThrow(
      'One row of wide [2, 2000] is larger than a shard of 4096 bytes',
    );
    expect(x.name).toBe('x');
  });
});
