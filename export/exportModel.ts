import { join } from 'node:path';

import { UserError } from '../text/errors.ts';
import { type Bundle, BUNDLE_SCHEMA_VERSION, checkNameAndVersion, type ModelSizes } from './bundle.ts';
import { type BundleContent, writeBundle } from './bundleFolder.ts';
import { buildChunkStep } from './graph/chunkStep.ts';
import { classifierWeights, type Tensor } from './graph/classifierWeights.ts';
import { modelCard } from './modelCard.ts';
import { gateDocuments, measureParity, type ReferenceClassifier, requireParity } from './parity.ts';

const PRODUCER = ['ulmfit', '0.1.0'] as const;

/** Tokens that one run of the graph takes where a model does not say: the length that models are trained with (Howard & Ruder 2018, section 4.1). */
const DEFAULT_CHUNK_LENGTH = 70;

/** What export needs to know of a model; the content of a model folder's `model.json`. */
export interface ExportableConfig {
  readonly kind: 'languageModel' | 'classifier';
  readonly tokenizerVersion: number;
  readonly direction: 'forward' | 'backward';
  readonly sizes: ModelSizes;
  readonly labels?: readonly string[] | undefined;
  readonly chunkLength?: number | undefined;
  readonly metrics?: Readonly<Record<string, unknown>> | undefined;
  readonly dataLicence?: string | undefined;
}

/** A trained classifier in memory. */
export interface ExportableModel {
  /** Float32 tensors by the names of the model folder. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly config: ExportableConfig;
  /** The tokens in the order of their ids. */
  readonly vocabulary: readonly string[];
}

export interface ExportOptions {
  readonly model: ExportableModel;
  /** The folder that the bundle becomes. */
  readonly out: string;
  /** What the bundle is called where it is served, for example "reviews". */
  readonly name: string;
  /** The bundle's own version, for example "1" or "2026-01-31". */
  readonly version: string;
  /** The trainer's probabilities of documents, against which the graph is checked. */
  readonly reference: ReferenceClassifier;
  /** Held-out documents as token ids; the gate adds the lengths around a chunk's borders. */
  readonly parityDocuments: readonly Int32Array[];
  /** The time that the bundle records; now unless told. */
  readonly created?: Date;
  /** A paragraph of Markdown for the model card. */
  readonly description?: string;
  /** The most bytes of a weight file; 24 MiB unless told. */
  readonly maxShardBytes?: number;
}

/**
 * Makes a bundle of a trained classifier: builds the graph, runs it against the trainer, and writes it only where both agree.
 *
 * @throws UserError where the model cannot be exported or `out` holds something else.
 * @throws Error where the graph's probabilities differ from the trainer's by more than 1e-4.
 * @example
 * await exportModel({ model, out: 'bundles/reviews', name: 'reviews', version: '1', reference, parityDocuments });
 */
export async function exportModel(options: ExportOptions): Promise<Bundle> {
  const { model, out, parityDocuments, reference } = options;
  const description = describe(options);
  const { graph, shards } = buildChunkStep(classifierWeights(model.tensors, description.sizes, description.labels.length), {
    producer: PRODUCER,
    metadata: {
      task: 'text classification, one label a text',
      labels: JSON.stringify(description.labels),
      name: description.name,
      version: description.version,
      chunk_length: String(description.chunkLength),
      tokenizer_version: String(description.tokenizerVersion),
      training_data_licence: description.dataLicence ?? 'not stated',
    },
    ...(options.maxShardBytes === undefined ? {} : { maxShardBytes: options.maxShardBytes }),
  });
  const files = new Map([
    [description.graph, graph],
    ...shards,
    [description.vocabulary, new TextEncoder().encode(`${JSON.stringify(model.vocabulary)}\n`)],
  ]);

  return writeBundle(out, files, async (staging): Promise<BundleContent> => {
    const documents = gateDocuments(parityDocuments, description.chunkLength);
    const parity = await measureParity(join(staging, description.graph), description, documents, reference);
    requireParity(parity);
    const bundle = { ...description, shards: [...shards.keys()], parity };
    return { bundle, modelCard: modelCard(bundle, options.description === undefined ? {} : { description: options.description }) };
  });
}

/** The part of a bundle's description that is known before its graph has run. */
function describe({ model, name, version, created }: ExportOptions): Omit<Bundle, 'checksums' | 'parity' | 'shards'> {
  const { config, vocabulary } = model;
  checkNameAndVersion(name, version);
  const labels = exportableLabels(config);
  if (vocabulary.length !== config.sizes.vocabulary) {
    throw new UserError(
      `vocabulary.json has ${vocabulary.length} tokens, but model.json says ${config.sizes.vocabulary}. ` +
        'The files of the model folder do not belong together; copy the folder again or retrain.',
    );
  }
  if (config.tokenizerVersion !== 1) {
    throw new UserError(
      `The model was trained with version ${config.tokenizerVersion} of the tokenizer; this program exports version 1. Use a newer ulmfit.`,
    );
  }
  const metrics = numbersOf(config.metrics ?? {});
  return {
    schemaVersion: BUNDLE_SCHEMA_VERSION,
    name,
    version,
    task: 'singleLabel',
    labels,
    tokenizerVersion: config.tokenizerVersion,
    direction: 'forward',
    sizes: config.sizes,
    chunkLength: config.chunkLength ?? DEFAULT_CHUNK_LENGTH,
    precision: 'fp32',
    graph: 'model.onnx',
    vocabulary: 'vocabulary.json',
    ...(Object.keys(metrics).length === 0 ? {} : { metrics }),
    ...(config.dataLicence === undefined ? {} : { dataLicence: config.dataLicence }),
    created: (created ?? new Date()).toISOString(),
    producer: PRODUCER.join(' '),
  };
}

function exportableLabels(config: ExportableConfig): string[] {
  if (config.kind !== 'classifier' || config.labels === undefined) {
    throw new UserError(
      'The model is a language model, which has no labels to answer with. Train a classifier from it with `ulmfit train`, and export that.',
    );
  }
  if (config.direction !== 'forward') {
    throw new UserError(
      'The classifier reads backwards. A server reads texts as they arrive, so only forward classifiers can be exported; train one without `--backwards`.',
    );
  }
  return [...config.labels];
}

/** The figures of a training that are single finite numbers; curves and tables stay in the model folder. */
function numbersOf(metrics: Readonly<Record<string, unknown>>): Record<string, number> {
  const entries = Object.entries(metrics).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
  );
  return Object.fromEntries(entries);
}
