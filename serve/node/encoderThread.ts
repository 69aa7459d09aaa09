/** The main module of a thread that turns texts into ids, so that a long one keeps no request waiting. */
import { workerData } from 'node:worker_threads';

import { tokenize } from '../../text/tokenizer.ts';
import type { LoadedMember } from '../classifierRuntime.ts';
import { encodeTokens, readingsOf, type EncodedDocument } from '../documentEncoder.ts';
import { answerCalls } from './threadCalls.ts';

/** What the thread is started with. */
export type EncoderThreadData = readonly Pick<LoadedMember, 'description' | 'vocabulary'>[];

const readings = readingsOf(workerData as EncoderThreadData);

answerCalls(
  (texts: readonly string[]): EncodedDocument[] => texts.map((text) => encodeTokens(tokenize(text), readings)),
  (documents) => documents.flat().map(({ buffer }) => buffer),
);
