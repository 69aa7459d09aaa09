import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as v from 'valibot';

import { UserError } from '../../text/errors.ts';
import { asUserError, syncFolder, writeFileAtomically } from '../checkpoint/atomicFile.ts';

/** How far a run has come that was interrupted: what `--resume` goes on from. */
const checkpointSchema = v.strictObject({
  /** What the answers depend on besides the documents: the model and the options, hashed. */
  settings: v.string(),
  /** Documents whose answers are in the file. */
  documents: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** Of the file, that these answers take. What follows them was not finished. */
  bytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** Of these documents. */
  digest: v.string(),
});
type Checkpoint = v.InferOutput<typeof checkpointSchema>;

export interface AnswerFileOptions {
  /** What the answers depend on besides the documents. */
  readonly settings: string;
  /** Whether an interrupted run goes on. */
  readonly resume: boolean;
}

/** How often it is noted how far the run has come: at most so much work is done again after an interruption. */
const CHECKPOINT_MILLISECONDS = 2000;

/**
 * A file of answers, one line a document, which gets its name when it is whole. Until then it is called `NAME.part`, and
 * `NAME.part.json` beside it tells how far it goes, so that an interrupted run can go on, also after a power cut.
 *
 * @example
 * const file = await AnswerFile.open('answers.jsonl', { settings: 'model 1', resume: true });
 * for (const block of blocks) if (!file.holds(block)) await file.append(block, await answer(block));
 * await file.finish();
 */
export class AnswerFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #settings: string;
  readonly #resumed: Checkpoint | undefined;
  readonly #digest: Hash = createHash('sha256');
  /** Documents that have come so far; while a run is resumed, fewer than are answered. */
  #documents = 0;
  #isCaughtUp: boolean;
  #bytes = 0;
  #lastCheckpoint = performance.now();

  private constructor(path: string, file: FileHandle, settings: string, resumed: Checkpoint | undefined) {
    this.#path = path;
    this.#file = file;
    this.#settings = settings;
    this.#resumed = resumed;
    this.#isCaughtUp = resumed === undefined || resumed.documents === 0;
  }

  /**
   * @returns undefined where the run is to be resumed and had come to its end
   * @throws UserError where a file is in the way, or the run cannot be resumed
   */
  static async open(path: string, { settings, resume }: AnswerFileOptions): Promise<AnswerFile | undefined> {
    const part = partOf(path);
    const hashed = createHash('sha256').update(settings).digest('hex');
    const [isWhole, isBegun] = await Promise.all([exists(path), exists(checkpointOf(path))]);
    if (isWhole && resume && !isBegun) return undefined;
    if (isWhole) throw new UserError(`${path} is there already. Give another name with --out, or delete it first.`);
    if (isBegun && !resume) {
      throw new UserError(
        `${part} holds the answers of an interrupted run. Go on with it with --resume, or delete it and ${checkpointOf(path)}.`,
      );
    }
    const resumed = isBegun ? await readCheckpoint(path, hashed) : undefined;
    const file = await openPart(path, part, resumed);
    const opened = new AnswerFile(path, file, hashed, resumed);
    if (resumed === undefined) await opened.#writeCheckpoint();
    return opened;
  }

  /** Documents whose answers are in the file. */
  get documents(): number {
    return Math.max(this.#documents, this.resumedDocuments);
  }

  /** Documents that were answered before the run was interrupted. */
  get resumedDocuments(): number {
    return this.#resumed?.documents ?? 0;
  }

  /**
   * Whether the answers to the next documents are there from before. They come in the same blocks each time.
   *
   * @throws UserError where these are not the documents that were answered
   */
  holds(documents: readonly (readonly string[])[]): boolean {
    if (this.#resumed === undefined || this.#isCaughtUp) return false;
    this.#count(documents);
    if (this.#documents < this.#resumed.documents) return true;
    if (this.#documents > this.#resumed.documents || this.#digest.copy().digest('hex') !== this.#resumed.digest) {
      throw new UserError(
        `The first ${this.#resumed.documents} documents are not those that ${partOf(this.#path)} answers: the data has changed. ` +
          `Delete it and ${checkpointOf(this.#path)} to begin again.`,
      );
    }
    this.#bytes = this.#resumed.bytes;
    this.#isCaughtUp = true;
    return true;
  }

  /** Adds the lines that answer the next documents. */
  async append(documents: readonly (readonly string[])[], lines: readonly string[]): Promise<void> {
    this.#count(documents);
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    try {
      for (let written = 0; written < bytes.length;) {
        written += (await this.#file.write(bytes, written, bytes.length - written, this.#bytes + written)).bytesWritten;
      }
    } catch (error) {
      throw asUserError(partOf(this.#path), error);
    }
    this.#bytes += bytes.length;
    if (performance.now() - this.#lastCheckpoint >= CHECKPOINT_MILLISECONDS) await this.#writeCheckpoint();
  }

  /** Notes how far the run has come, and lets go of the file: the run can be resumed. */
  async interrupt(): Promise<void> {
    if (this.#isCaughtUp) await this.#writeCheckpoint();
    await this.#file.close();
  }

  /**
   * Gives the file its name.
   *
   * @throws UserError where the data has fewer documents than were answered
   */
  async finish(): Promise<void> {
    if (!this.#isCaughtUp) {
      await this.#file.close();
      throw new UserError(
        `The data has ${this.#documents} documents, but ${partOf(this.#path)} answers ${this.resumedDocuments}: the data has changed. ` +
          `Delete it and ${checkpointOf(this.#path)} to begin again.`,
      );
    }
    await this.#file.sync();
    await this.#file.close();
    await rename(partOf(this.#path), this.#path);
    await rm(checkpointOf(this.#path), { force: true });
    await syncFolder(dirname(this.#path));
  }

  #count(documents: readonly (readonly string[])[]): void {
    for (const fields of documents) this.#digest.update(`${JSON.stringify(fields)}\n`);
    this.#documents += documents.length;
  }

  /** The answers first, then the note that they are there. */
  async #writeCheckpoint(): Promise<void> {
    await this.#file.datasync();
    const checkpoint: Checkpoint = {
      settings: this.#settings,
      documents: this.#documents,
      bytes: this.#bytes,
      digest: this.#digest.copy().digest('hex'),
    };
    await writeFileAtomically(checkpointOf(this.#path), [Buffer.from(`${JSON.stringify(checkpoint)}\n`)]);
    this.#lastCheckpoint = performance.now();
  }
}

const partOf = (path: string): string => `${path}.part`;
const checkpointOf = (path: string): string => `${path}.part.json`;

async function readCheckpoint(path: string, settings: string): Promise<Checkpoint> {
  const name = checkpointOf(path);
  let checkpoint: Checkpoint;
  try {
    checkpoint = v.parse(checkpointSchema, JSON.parse(await readFile(name, 'utf8')));
  } catch {
    throw new UserError(`${name} does not say how far the interrupted run had come. Delete it and ${partOf(path)} to begin again.`);
  }
  if (checkpoint.settings !== settings) {
    throw new UserError(
      `${partOf(path)} was begun with another model or other options. Go on with those, or delete it and ${name} to begin again.`,
    );
  }
  return checkpoint;
}

/** Opens the unfinished file, without what was not finished in it. */
async function openPart(path: string, part: string, resumed: Checkpoint | undefined): Promise<FileHandle> {
  try {
    const file = await open(part, resumed === undefined ? 'w' : 'r+');
    const { size } = await file.stat();
    if (resumed !== undefined && size < resumed.bytes) {
      await file.close();
      throw new UserError(
        `${part} is shorter than it was when the run was interrupted. Delete it and ${checkpointOf(path)} to begin again.`,
      );
    }
    await file.truncate(resumed?.bytes ?? 0);
    return file;
  } catch (error) {
    if (resumed !== undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new UserError(`${part} is gone, but ${checkpointOf(path)} is there. Delete that to begin again.`);
    }
    throw asUserError(part, error);
  }
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
