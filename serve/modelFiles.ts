/** The files of a model, for those who may have a copy of it. Where they lie is a platform's business. */
import * as v from 'valibot';

export const modelFileSchema = v.object({
  name: v.string(),
  bytes: v.number(),
  /** Of the file's bytes, in hexadecimal digits. */
  sha256: v.string(),
});
/** What the list of a version's files is answered with. */
export const modelFilesSchema = v.object({ files: v.array(modelFileSchema) });

export type ModelFile = v.InferOutput<typeof modelFileSchema>;

/** The files from which a version of a model can be run elsewhere: as they were when it was loaded. */
export interface ModelFiles {
  readonly list: readonly ModelFile[];
  /**
   * A file's bytes, read as they are asked for.
   *
   * @param name one of the list
   * @throws HttpError 404 when the files of this version are no longer there
   */
  open(name: string): Promise<ReadableStream<Uint8Array>>;
}
