import { DocumentProgress } from '../report/documentProgress.ts';
import { AnswerFile } from './answerFile.ts';
import type { TextAnswerer } from './answerers.ts';
import { untilInterrupted } from './trainingSession.ts';

/** A document, given as its text columns. */
type Fields = readonly string[];

export interface PredictToFileOptions {
  /** The file of answers, one JSON object a line. */
  readonly out: string;
  /** Whether an interrupted run goes on. */
  readonly resume: boolean;
  /** What the answers depend on besides the model and the documents. */
  readonly settings: string;
  /** Of the data; undefined where that is not known. */
  readonly bytes: number | undefined;
  /** Reads the documents from the first to the last, and tells the bytes that it reads. */
  readonly documents: (onBytes: (bytes: number) => void) => AsyncIterable<Fields>;
  /** The line that holds an answer, without the line break. */
  readonly line: (answer: Float32Array) => string;
}

/**
 * Documents are answered in blocks of so many, which share graph calls: more make better use of them, and take more memory. Where blocks
 * begin depends on the documents alone, so that a resumed run answers the same blocks, to the last bit.
 */
const BLOCK = { documents: 256, characters: 4 * 1024 * 1024 } as const;

/**
 * Answers any number of documents into a file, in constant memory. Ctrl-C stops after the block of documents that is being answered; a run
 * that was stopped, or killed, is resumed there and ends with the same file.
 *
 * @throws UserError where the file is in the way, the run cannot be resumed, or a document cannot be read: then what is answered is kept
 */
export async function predictToFile(classifier: TextAnswerer, options: PredictToFileOptions): Promise<void> {
  const { out, resume, bytes } = options;
  const settings = JSON.stringify([BLOCK, classifier.identity, options.settings]);
  const file = await AnswerFile.open(out, { settings, resume });
  if (file === undefined) {
    console.error(`${out} is whole: there is nothing left to do.`);
    return;
  }
  const progress = new DocumentProgress({ label: 'predicting', bytes });
  if (file.resumedDocuments > 0) progress.note(`Going on after ${file.resumedDocuments} documents.`);
  let isStopped: boolean;
  try {
    isStopped = await untilInterrupted((signal) => answerBlocks(classifier, file, progress, options, signal), 'this block of documents');
  } catch (error) {
    await file.interrupt();
    throw error;
  } finally {
    progress.done();
  }
  if (isStopped) {
    await file.interrupt();
    console.error(`Stopped after ${file.documents} documents. Run the same command with --resume to go on.`);
    process.exitCode = 1;
    return;
  }
  await file.finish();
  console.error(`Written to ${out}: the answers to ${file.documents} documents.`);
}

/** @returns whether the run was interrupted */
async function answerBlocks(
  classifier: TextAnswerer,
  file: AnswerFile,
  progress: DocumentProgress,
  { documents, line }: PredictToFileOptions,
  signal: AbortSignal,
): Promise<boolean> {
  for await (const block of documentBlocks(documents((bytes) => progress.read(bytes)))) {
    if (signal.aborted) return true;
    if (file.holds(block)) {
      progress.passed(block.length);
      continue;
    }
    const answers = await classifier.answers(block);
    await file.append(block, answers.map(line));
    progress.answered(block.length);
  }
  return false;
}

/**
 * Documents in blocks, so that a file of any size takes little memory.
 *
 * @example
 * for await (const block of documentBlocks(documents)) await classifier.answers(block);
 */
export async function* documentBlocks(documents: AsyncIterable<Fields>): AsyncGenerator<Fields[]> {
  let block: Fields[] = [];
  let characters = 0;
  for await (const fields of documents) {
    block.push(fields);
    characters += fields.reduce((sum, field) => sum + field.length, 0);
    if (block.length < BLOCK.documents && characters < BLOCK.characters) continue;
    yield block;
    block = [];
    characters = 0;
  }
  if (block.length > 0) yield block;
}
