import { execFile } from 'node:child_process';
import { basename, join, resolve } from 'node:path';
import type { Bundle, Precision } from '../../export/bundle.ts';
import { UserError } from '../../text/errors.ts';
import { tokenizeFields } from '../../text/tokenizer.ts';
import { readDocuments } from '../data/readers.ts';
import { projectFolder } from '../engine/cache.ts';

/** How a classifier is exported. */
export interface ExportClassifierOptions {
  /** The folder that becomes the bundle; an earlier bundle there is replaced. */
  readonly out: string;
  /** Documents on which model and bundle are compared, the first 64 of them, of an int8 bundle 200; labels are not looked at. */
  readonly documents: string;
  /** Their text columns; default: `text`. */
  readonly text?: readonly string[] | undefined;
  /**
   * How the weights are stored and computed with; default: `fp32`. `fp16` halves the files and computes as before; `int8` makes them a
   * quarter, and answers faster.
   */
  readonly precision?: Precision | undefined;
  /** What the bundle is called where it is served; default: the model folder's name. */
  readonly name?: string | undefined;
  /** The bundle's own version; default: `1`. */
  readonly version?: string | undefined;
}

/**
 * Documents that are compared: enough to meet every kind, few enough to take seconds. 8 bits may cost a document its label where two
 * are about as likely, and one in 200 may (tolerances.ts).
 */
const MOST_DOCUMENTS: Readonly<Record<Precision, number>> = { fp32: 64, fp16: 64, int8: 200 };

/**
 * Makes a bundle of a classifier, or of both classifiers of a pair folder: ONNX graphs, vocabulary and description, ready to serve. It is
 * written only where its answers equal the trainer's.
 *
 * @param folder a model folder of a classifier, or a pair of them
 * @returns the bundle's description
 * @throws UserError where the model or the documents cannot be read, or `out` holds something else
 * @throws Error where the bundle's answers differ from the trainer's by more than its precision may: probabilities by 1e-4 (fp32), 1e-3
 *   (fp16) or 0.05 (int8), or labels of more than 0.5 % of the documents
 * @example
 * const bundle = await exportClassifier('models/reviews', { out: 'bundles/reviews', documents: 'test.csv' });
 * bundle.labels; // ['neg', 'pos']
 */
export async function exportClassifier(folder: string, options: ExportClassifierOptions): Promise<Bundle> {
  const { TrainedClassifier } = await import('../recipe/trainedClassifier.ts');
  const { currentDevice } = await import('../engine/device.ts');
  if (currentDevice().kind === 'gpu') return exportInOwnProcess(folder, options);
  const { withPrecision } = await import('../engine/precision.ts');
  const { exportableMember } = await import('../../export/exportable.ts');
  const { exportModel } = await import('../../export/exportModel.ts');
  const parityDocuments = await readParityDocuments(options);
  const classifier = await TrainedClassifier.open(folder);
  try {
    return await exportModel({
      members: classifier.members.map((member) =>
        exportableMember(member.model, (documents) => withPrecision('fp32', () => member.answers(documents))),
      ),
      out: options.out,
      name: options.name ?? basename(resolve(folder)),
      version: options.version ?? '1',
      parityDocuments,
      ...(options.precision === undefined ? {} : { precision: options.precision }),
    });
  } finally {
    classifier.dispose();
  }
}

async function readParityDocuments({ documents, text, precision = 'fp32' }: ExportClassifierOptions): Promise<string[][]> {
  const tokens: string[][] = [];
  for await (const { fields } of readDocuments(documents, { text, labels: 'ignored' })) {
    tokens.push(tokenizeFields(fields));
    if (tokens.length === MOST_DOCUMENTS[precision]) break;
  }
  if (tokens.length === 0) throw new UserError(`${documents} holds no documents to compare on.`);
  return tokens;
}

/**
 * The same in a process that computes on the processor. A GPU rounds the factors of its products (TF32), so that its answers are no
 * yardstick, and a process keeps the device that it has loaded.
 */
export async function exportInOwnProcess(folder: string, options: ExportClassifierOptions): Promise<Bundle> {
  const { out, documents, text = [], name, version, precision = 'fp32' } = options;
  const program = join(projectFolder(), 'trainer', 'bin.mjs');
  const args = ['export', folder, '--out', out, '--documents', documents, ...text.flatMap((column) => ['--text', column])];
  if (precision !== 'fp32') args.push(`--${precision}`);
  if (name !== undefined) args.push('--name', name);
  if (version !== undefined) args.push('--bundle-version', version);
  await new Promise<void>((done, fail) => {
    execFile(process.execPath, [program, ...args], (error, _stdout, stderr) => {
      if (error === null) done();
      else fail(error.code === 2 ? new UserError(stderr.trim()) : new Error(stderr.trim() || error.message));
    });
  });
  const { readBundle } = await import('../../export/bundleFolder.ts');
  return (await readBundle(out)).bundle;
}
