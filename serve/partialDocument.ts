import type { Bundle } from '../export/bundle.ts';
import { safeCut, tokenizePart } from '../text/growingText.ts';
import type { MemberLogits } from './answers.ts';
import type { DocumentState } from './classifierRuntime.ts';
import { HttpError } from './errors.ts';
import type { ModelRegistry, ServedModel } from './modelRegistry.ts';

/**
 * A document of which not all has arrived: all there is to know of it to read on, as a plain value that can be kept, sent and compared.
 * But for `rest` its size depends on the model alone.
 */
export interface PartialDocument {
  /** The model that has read it, of which no other one can make sense of `states`. */
  readonly model: string;
  readonly version: string;
  /** The checksum of the model's bundle: a name and a version can be given twice. */
  readonly fingerprint: string;
  /** What each model of the bundle remembers of the text whose tokens are certain; nothing before there is any. */
  readonly states?: readonly DocumentState[];
  /** The end of the text, whose tokens may change with what comes next: half a word, a space, half of a surrogate pair. */
  readonly rest: string;
}

/** A document after another piece of it. */
export interface PieceRead {
  readonly document: PartialDocument;
  /** The prediction for all text so far, the end of it read as if nothing came behind. None while there is only white space. */
  readonly logits?: MemberLogits | undefined;
  /** Tokens that the prediction is made from. */
  readonly tokens: number;
}

/** The most text that is held back, in UTF-16 code units. Texts people write need less than a hundred. */
const MAX_REST = 100_000;
/** Of a long piece, so much is tokenized at a time, between which others have their turn. */
const SLICE = 50_000;

/** A document of which nothing has arrived. */
export function emptyDocument({ name, version, classifier: { bundle } }: ServedModel): PartialDocument {
  requireForward(bundle);
  return { model: name, version, fingerprint: fingerprintOf(bundle), rest: '' };
}

/**
 * The next piece of a document. The prediction is the one that all text so far would get in one piece.
 *
 * Text is read into the state only once its tokens are certain, whatever comes behind it (see {@link safeCut}). The rest is
 * held back as text: the prediction includes it, read from a copy of the state.
 *
 * @throws HttpError 413 where more text would have to be held back than is allowed; and what `Classifier.readOn` throws. The document
 *   given is unchanged in any case.
 */
export async function readPiece(
  { classifier }: ServedModel,
  document: PartialDocument,
  piece: string,
  signal?: AbortSignal,
): Promise<PieceRead> {
  const { tokens, rest, hasBegun } = await certainTokens(document, piece, signal);
  if (rest.length > MAX_REST) {
    throw new HttpError(
      413,
      'text_too_long',
      `The end of the text, ${rest.length} characters, has no place where its tokens are certain, such as a space between two ` +
        `words; at most ${MAX_REST} characters are held back. Send the document whole to POST /v1/classify.`,
    );
  }
  const certain = tokens.length === 0 ? undefined : await classifier.readOn(tokens, document.states, { signal });
  const states = certain?.states ?? document.states;
  const tail = tokenizePart(rest.toWellFormed(), { isFirst: !hasBegun });
  const isBlank = !hasBegun && tail.length === 1;
  const answer = isBlank ? undefined : tail.length === 0 ? certain : await classifier.readOn(tail, states, { signal });
  return {
    document: { ...document, ...(states && { states }), rest },
    logits: answer?.logits,
    tokens: isBlank ? 0 : (states?.[0]?.count ?? 0) + tail.length,
  };
}

/** The tokens that a piece makes certain, and the text that stays behind. */
async function certainTokens({ states, rest: before }: PartialDocument, piece: string, signal: AbortSignal | undefined) {
  const tokens: string[] = [];
  let hasBegun = states !== undefined;
  let rest = before;
  for (let start = 0; start < piece.length; start += SLICE) {
    if (start > 0) await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
    rest += piece.slice(start, start + SLICE);
    const cut = safeCut(rest);
    if (cut === 0) continue;
    for (const token of tokenizePart(rest.slice(0, cut).toWellFormed(), { isFirst: !hasBegun })) tokens.push(token);
    rest = rest.slice(cut);
    hasBegun = true;
  }
  return { tokens, rest, hasBegun };
}

/**
 * The model that has read a document so far.
 *
 * @throws HttpError 409 when it is not served any more, or another one is under its name and version.
 */
export function modelOfDocument(models: ModelRegistry, { model, version, fingerprint }: PartialDocument): ServedModel {
  const served = models.find(model, version);
  if (served !== undefined && fingerprintOf(served.classifier.bundle) === fingerprint) return served;
  throw new HttpError(
    409,
    'model_changed',
    `The document was begun with version ${version} of the model ${model}, which is not served any more, and no other version ` +
      'understands its state. Begin again, and send the text from its beginning.',
  );
}

/**
 * Makes sure that a model reads forwards only. One that also reads backwards, or only so, begins at the end of a document, which is not there yet:
 * an answer of its forward half alone would not be the one that the model was measured with.
 *
 * @throws HttpError 422 otherwise.
 */
export function requireForward({ members }: Bundle): void {
  if (members.every(({ direction }) => direction === 'forward')) return;
  throw new HttpError(
    422,
    'not_streamable',
    'This model reads texts backwards too, from their end, so it has no prediction before the end is there. ' +
      'Send documents whole to POST /v1/classify, or ask a model that reads forwards only.',
  );
}

const fingerprintOf = ({ checksums }: Bundle): string => checksums['bundle.json'] ?? '';
