import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { MODEL_SCHEMA_VERSION, type ModelDescription, writeModel } from '../checkpoint/modelFolder.ts';
import { UserError } from '../../text/errors.ts';
import { TOKENIZER_VERSION } from '../../text/tokenizer.ts';
import type { Sizes } from '../model/presets.ts';
import { checkHead, convertWeights } from './convertWeights.ts';
import { planVocabulary, readFastaiVocabulary } from './fastaiVocabulary.ts';
import { type FastaiWeights, recognizeWeights } from './fastaiWeights.ts';
import { sha256Of } from './fileSlices.ts';
import { importCard } from './importCard.ts';
import { notesOf } from './importNotes.ts';
import { TorchFile } from './torchFile.ts';

export interface ImportOptions {
  /** The vocabulary's file: fastai's `itos` or `dls.vocab` as a pickle, or JSON. */
  readonly vocabulary: string;
  /** The model folder to write. */
  readonly out: string;
  /** How the model reads a text; the file does not say. Default: forward. */
  readonly direction?: ModelDescription['direction'] | undefined;
  /** A classifier's classes in the order of its outputs; not needed where the vocabulary's file names them. */
  readonly labels?: readonly string[] | undefined;
  /** A classifier any number of whose labels may apply. */
  readonly multiLabel?: boolean | undefined;
  /** Licence of the text that the model was trained on, for its card. */
  readonly dataLicence?: string | undefined;
}

/** A file that was imported. */
export interface ImportedFile {
  /** Without the folders it lay in. */
  readonly name: string;
  readonly sha256: string;
}

/** What has been imported, and what is different from the file. */
export interface ImportSummary {
  readonly out: string;
  readonly kind: ModelDescription['kind'];
  /** What the file holds. An encoder becomes a language model whose decoder has no bias yet. */
  readonly holds: FastaiWeights['holds'];
  readonly direction: ModelDescription['direction'];
  readonly sizes: Sizes;
  readonly labels?: readonly string[];
  readonly weights: ImportedFile;
  readonly vocabulary: ImportedFile;
  /** Tokens that have another name here: fastai 0.7 called `xxunk` `_unk_`. */
  readonly renamed: Readonly<Record<string, string>>;
  /** Special tokens that the file's model does not know; they get the mean of all rows. */
  readonly missing: readonly string[];
  /** All that a user ought to know, in sentences. */
  readonly notes: readonly string[];
}

/** Tokens of a chunk; the paper's and fastai 1's `bptt`. A file of weights does not say it, and it changes no result. */
const CHUNK_LENGTH = 70;

/**
 * Makes a model folder of an AWD-LSTM that fastai has trained: a language model, its encoder alone, or a text classifier, of fastai 2,
 * fastai 1 or fastai 0.7 (2018). The files are Python pickles, which could name and call any function; they are read as
 * data, and a file that names anything else than tensors and plain containers is refused. Where something is wrong, nothing is written.
 *
 * @param weights what `learn.save`, `learn.save_encoder` or `torch.save(model.state_dict(), …)` wrote
 * @returns what was imported
 * @throws UserError where a file cannot be read, is damaged or of another kind, or the two do not belong together
 * @example
 * const { sizes, notes } = await importFastai('wt103-fwd/lstm_fwd.pth', {
 *   vocabulary: 'wt103-fwd/lstm_itos_fwd.pkl',
 *   out: 'models/wt103',
 * });
 */
export async function importFastai(weights: string, options: ImportOptions): Promise<ImportSummary> {
  const { vocabulary: vocabularyPath, out, direction = 'forward' } = options;
  await refuseOccupied(out);
  const given = await readFastaiVocabulary(vocabularyPath);
  const plan = planVocabulary(vocabularyPath, given.tokens);
  const file = await TorchFile.open(weights);
  try {
    const recognized = recognizeWeights(weights, file.root);
    const { holds } = recognized;
    const rows = recognized.sizes.vocabulary;
    if (given.tokens.length !== rows) {
      throw new UserError(
        `${vocabularyPath} has ${given.tokens.length} words and ${weights} has ${rows} rows of weights: they do not belong together.`,
      );
    }
    const labels = holds === 'classifier' ? labelsOf(weights, recognized, options.labels ?? given.labels) : undefined;
    const tensors = await convertWeights(weights, file, recognized, plan);
    const sizes: Sizes = { ...recognized.sizes, vocabulary: plan.vocabulary.size };
    const description: ModelDescription = {
      schemaVersion: MODEL_SCHEMA_VERSION,
      kind: labels === undefined ? 'languageModel' : 'classifier',
      tokenizerVersion: TOKENIZER_VERSION,
      direction,
      sizes,
      ...(labels !== undefined && { labels: [...labels], task: options.multiLabel ? 'multiLabel' : 'singleLabel' }),
      chunkLength: CHUNK_LENGTH,
      ...(options.dataLicence !== undefined && { dataLicence: options.dataLicence }),
      created: new Date().toISOString(),
    };
    const summary: ImportSummary = {
      out,
      kind: description.kind,
      holds,
      direction,
      sizes,
      ...(labels !== undefined && { labels }),
      weights: await identify(weights),
      vocabulary: await identify(vocabularyPath),
      renamed: Object.fromEntries(plan.renamed),
      missing: plan.missing,
      notes: notesOf(weights, recognized, plan, options.direction),
    };
    await writeModel(out, { description, tensors, vocabulary: plan.vocabulary }, { card: importCard(description, summary) });
    return summary;
  } finally {
    await file.close();
  }
}

/** @throws UserError where the folder to write holds something already */
async function refuseOccupied(out: string): Promise<void> {
  const found = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new UserError(`Cannot write ${out}: ${error.code === 'ENOTDIR' ? 'it is a file' : error.code}. Choose another folder.`, {
      cause: error,
    });
  });
  if (found.length > 0) throw new UserError(`${out} is not empty. Choose a new folder, or remove what is in it.`);
}

/** @throws UserError where a classifier's head is of another form, or its classes are not known or not as many as its outputs */
function labelsOf(path: string, weights: FastaiWeights, labels: readonly string[] | undefined): readonly string[] {
  checkHead(path, weights);
  const outputs = weights.head.at(-1)?.weight.tensor.shape[0] ?? 0;
  if (outputs < 2) throw new UserError(`${path} holds a model of one output (regression), which cannot be imported. Train it here.`);
  if (labels === undefined) {
    throw new UserError(
      `${path} holds a classifier of ${outputs} classes. Name them in the order of its outputs with --labels; in fastai they are learn.dls.vocab[1].`,
    );
  }
  if (labels.length !== outputs || new Set(labels).size !== labels.length) {
    throw new UserError(
      `${path} holds a classifier of ${outputs} classes, but ${new Set(labels).size} different labels are named: ${labels.join(', ')}.`,
    );
  }
  return labels;
}

async function identify(path: string): Promise<ImportedFile> {
  return { name: basename(path), sha256: await sha256Of(path) };
}
