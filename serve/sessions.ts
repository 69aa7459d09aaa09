import { sha256Hex } from '../export/bundle.ts';
import { HttpError } from './errors.ts';
import type { ModelRegistry, ServedModel } from './modelRegistry.ts';
import { emptyDocument, modelOfDocument, readPiece } from './partialDocument.ts';
import type { Session, SessionStore, StoredSession } from './sessionStore.ts';

/** The next piece of a session's document. */
export interface Piece {
  readonly text: string;
  /** 1 for the first piece, then one more each time. A piece without one is the next, whatever its number. */
  readonly sequence?: number | undefined;
}

/** A session after a piece, and the model it belongs to. */
export interface Appended extends StoredSession {
  readonly model: ServedModel;
}

/** What sessions are kept and read with. */
export interface SessionTools {
  readonly store: SessionStore;
  readonly models: ModelRegistry;
  /** Told which model reads, before it does. */
  readonly onModel?: ((model: ServedModel) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A session of which nothing has arrived. Its revision is random: one that is begun anew under the same id is another one. */
export function newSession(model: ServedModel): Session {
  const [revision = 0] = crypto.getRandomValues(new Uint32Array(1));
  return { document: emptyDocument(model), revision, sequence: 0, tokens: 0 };
}

/**
 * Appends a piece to the document of a session.
 *
 * The piece counts once it is stored, and then once only: the last piece sent again, with its number, gets the answer it got before. Pieces that
 * arrive at the same time are read one after the other: of two that began from the same state, one is stored, and the other begins again.
 *
 * @returns undefined when there is no such session
 * @throws HttpError 409 for a number that is not the next one, or another text under the last one's number, or a session whose
 *   model is not served any more; and what `readPiece` throws.
 */
export async function append({ store, models, onModel, signal }: SessionTools, id: string, piece: Piece): Promise<Appended | undefined> {
  const pieceHash = await sha256Hex(piece.text);
  for (;;) {
    signal?.throwIfAborted();
    const stored = await store.get(id);
    if (stored === undefined) return undefined;
    const { session } = stored;
    const model = modelOfDocument(models, session.document);
    onModel?.(model);
    if (isRepetition(session, piece.sequence, pieceHash)) return { ...stored, model };
    const { document, logits, tokens } = await readPiece(model, session.document, piece.text, signal);
    const next: Session = {
      document,
      revision: session.revision + 1,
      sequence: session.sequence + 1,
      pieceHash,
      ...(logits && { logits }),
      tokens,
    };
    const replaced = await store.replace(id, next, session.revision);
    if (replaced !== undefined) return { ...replaced, model };
  }
}

/** @throws HttpError 409 where the number is neither the next one nor the last one again. */
function isRepetition(session: Session, sequence: number | undefined, pieceHash: string): boolean {
  const { sequence: last } = session;
  if (sequence === undefined || sequence === last + 1) return false;
  if (sequence === last && session.pieceHash === pieceHash) return true;
  if (sequence === last) {
    throw conflict(`Piece ${sequence} was another text. Send the next piece as ${last + 1}, or the same text to get the same answer.`);
  }
  if (sequence < last) throw conflict(`Piece ${sequence} has been read, and others after it. The next one is ${last + 1}.`);
  throw conflict(`Piece ${sequence} came before piece ${last + 1}. Send the pieces in their order, one after the other.`);
}

const conflict = (message: string) => new HttpError(409, 'sequence_conflict', message);
