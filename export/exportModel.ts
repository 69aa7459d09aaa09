import { join } from 'node:path';

import { tokenize, TOKENIZER_VERSION } from '../text/tokenizer.ts';
import { Vocabulary } from '../text/vocabulary.ts';
import type { Answering } from './answers.ts';
import { type Bundle, BUNDLE_SCHEMA_VERSION, type BundleMember, checkNameAndVersion, outputCount, type Precision } from './bundle.ts';
import { type BundleContent, writeBundle } from './bundleFolder.ts';
import { type ExportableMember, type ExportableModel, orderedMembers, type SharedDescription, sharedDescription } from './exportable.ts';
import { buildChunkStep } from './graph/chunkStep.ts';
import { classifierWeights } from './graph/classifierWeights.ts';
import { modelCard } from './modelCard.ts';
import { PARITY_FILE, parityFileText, parityTexts } from './parityDocuments.ts';
import { type GateMember, gateDocuments, measureParity, requireParity } from './parity.ts';

const PRODUCER = ['ulmfit', '0.1.0'] as const;

/** Tokens that one run of the graph takes where a model does not say: the length that models are trained with (Howard & Ruder 2018, section 4.1). */
const DEFAULT_CHUNK_LENGTH = 70;

export interface ExportOptions {
  /** One classifier, or a forward and a backward one that answer together. */
  readonly members: readonly ExportableMember[];
  /** The folder that the bundle becomes. */
  readonly out: string;
  /** What the bundle is called where it is served, for example "reviews". */
  readonly name: string;
  /** The bundle's own version, for example "1" or "2026-01-31". */
  readonly version: string;
  /** Held-out documents as tokens, as `tokenizeFields` gives them; the gate adds the lengths around a chunk's borders. */
  readonly parityDocuments: readonly (readonly string[])[];
  /** How the weights are stored and computed with; `fp32` unless told. */
  readonly precision?: Precision;
  /** The time that the bundle records; now unless told. */
  readonly created?: Date;
  /** A paragraph of Markdown for the model card. */
  readonly description?: string;
  /** The most bytes of a weight file; 24 MiB unless told. */
  readonly maxShardBytes?: number;
}

/**
 * Makes a bundle of a trained classifier, or of a forward and a backward one: builds the graphs, runs them against the trainer,
 * and writes the bundle only where both agree.
 *
 * @throws UserError where a model cannot be exported, two do not belong together, or `out` holds something else.
 * @throws Error where the answers of a graph, or of both together, differ from the trainer's by more than its precision may (tolerances.ts).
 * @example
 * const members = [{ tensors, config, vocabulary, reference }];
 * await exportModel({ members, out: 'bundles/reviews', name: 'reviews', version: '1', parityDocuments: [tokenize('A fine film.')] });
 */
export async function exportModel(options: ExportOptions): Promise<Bundle> {
  const { name, version, parityDocuments, precision = 'fp32' } = options;
  checkNameAndVersion(name, version);
  const models = orderedMembers(options.members);
  const shared = sharedDescription(models);
  const vocabularies = vocabularyFiles(models);
  const built = models.map((model, index) => buildMember(model, vocabularies[index] as string, shared, options));

  return writeBundle(options.out, new Map(built.flatMap(({ files }) => [...files])), async (staging): Promise<BundleContent> => {
    const texts = parityTexts(parityDocuments);
    const chunkLengths = built.map(({ description }) => description.chunkLength);
    const documents = [...texts.map((text) => tokenize(text)), ...gateDocuments(parityDocuments, chunkLengths)];
    const report = await measureParity(
      shared,
      built.map(({ description, model }) => gateMember(staging, description, model, documents)),
    );
    requireParity(report, precision);
    const bundle = {
      schemaVersion: BUNDLE_SCHEMA_VERSION,
      name,
      version,
      ...shared,
      tokenizerVersion: TOKENIZER_VERSION,
      precision,
      members: built.map(({ description }) => description),
      parity: report.bundle,
      created: (options.created ?? new Date()).toISOString(),
      producer: PRODUCER.join(' '),
    } as const satisfies Omit<Bundle, 'checksums'>;
    const answered = texts.map((text, index) => ({ text, answer: Array.from(report.expected[index] ?? []) }));
    return {
      bundle,
      modelCard: modelCard(bundle, options.description === undefined ? {} : { description: options.description }),
      ...(answered.length > 0 && { extraFiles: new Map([[PARITY_FILE, parityFileText(answered)]]) }),
    };
  });
}

/** One member's part of the bundle. */
interface BuiltMember {
  readonly model: ExportableMember;
  readonly description: BundleMember;
  readonly files: ReadonlyMap<string, Uint8Array>;
}

function buildMember(
  model: ExportableMember,
  vocabularyFile: string,
  shared: SharedDescription,
  { name, version, precision = 'fp32', maxShardBytes }: ExportOptions,
): BuiltMember {
  const { tensors, config, vocabulary } = model;
  const { direction, sizes, chunkLength = DEFAULT_CHUNK_LENGTH } = config;
  // A number has no probability to soften: temperature is a matter of labels.
  const temperature = shared.task === 'regression' ? 1 : (config.temperature ?? 1);
  const { graph, shards } = buildChunkStep(classifierWeights(tensors, sizes, outputCount(shared), temperature), {
    producer: PRODUCER,
    direction,
    answer: answerSentence(shared),
    precision,
    metadata: {
      task: TASK_WORDS[shared.task],
      ...(shared.task === 'regression' ? { range: JSON.stringify(shared.range ?? 'any') } : { labels: JSON.stringify(shared.labels) }),
      name,
      version,
      direction,
      temperature: String(temperature),
      chunk_length: String(chunkLength),
      precision,
      tokenizer_version: String(TOKENIZER_VERSION),
      training_data_licence: shared.dataLicence ?? 'not stated',
    },
    filePrefix: `${direction}-`,
    ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
  });
  const metrics = numbersOf(config.metrics ?? {});
  const description: BundleMember = {
    direction,
    sizes,
    chunkLength,
    ...(temperature === 1 ? {} : { temperature }),
    graph: `${direction}.onnx`,
    shards: [...shards.keys()],
    vocabulary: vocabularyFile,
    ...(Object.keys(metrics).length === 0 ? {} : { metrics }),
  };
  const tokens = new TextEncoder().encode(`${JSON.stringify(vocabulary)}\n`);
  return { model, description, files: new Map([[description.graph, graph], ...shards, [vocabularyFile, tokens]]) };
}

/** The vocabulary file of each model: one for both where they know the same words in the same order. */
function vocabularyFiles(models: readonly ExportableModel[]): string[] {
  const isShared = models.every(({ vocabulary }) => JSON.stringify(vocabulary) === JSON.stringify(models[0]?.vocabulary));
  return models.map(({ config }) => (isShared ? 'vocabulary.json' : `${config.direction}-vocabulary.json`));
}

function gateMember(
  staging: string,
  { direction, sizes, chunkLength, graph }: BundleMember,
  { vocabulary, reference }: ExportableMember,
  documents: readonly (readonly string[])[],
): GateMember {
  const known = Vocabulary.fromTokens(vocabulary);
  const encode = (tokens: readonly string[]): Int32Array => {
    const ids = known.encode(tokens);
    return direction === 'backward' ? ids.reverse() : ids;
  };
  return { direction, sizes, chunkLength, graphPath: join(staging, graph), reference, documents: documents.map(encode) };
}

const TASK_WORDS: Readonly<Record<Bundle['task'], string>> = {
  singleLabel: 'text classification, one label a text',
  multiLabel: 'text classification, any number of labels a text',
  regression: 'text regression, one number a text',
};

/** For strangers who have only the graph: what to do with its logits. */
function answerSentence({ task, range }: Answering): string {
  if (task === 'singleLabel') return 'Softmax makes the logits probabilities of the labels.';
  if (task === 'multiLabel') return 'Sigmoid makes each logit the probability that its label applies.';
  if (range === undefined) return 'The logit is the value.';
  const [low, high] = range;
  return `The value is ${low} + ${high - low} * sigmoid(logit).`;
}

/** The figures of a training that are single finite numbers; curves and tables stay in the model folder. */
function numbersOf(metrics: Readonly<Record<string, unknown>>): Record<string, number> {
  const entries = Object.entries(metrics).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
  );
  return Object.fromEntries(entries);
}
