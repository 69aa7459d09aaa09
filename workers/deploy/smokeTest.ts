/** Asks a Worker, wherever it runs, the parity documents of its bundle, over HTTP. */
import * as v from 'valibot';

import { compareAnswers, differencesOf } from '../../export/answers.ts';
import type { Bundle, ParityFigures } from '../../export/bundle.ts';
import type { ParityDocument } from '../../export/parityDocuments.ts';
import { answerSchemas, type Answer } from '../../serve/schema.ts';

/** How long an answer may take: the first one waits until the model is loaded. */
const ANSWER_MILLISECONDS = 120_000;

export interface SmokeTestOptions {
  readonly url: string;
  /** Sent with every request, such as a key. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly bundle: Bundle;
  readonly documents: readonly ParityDocument[];
  /** The largest difference that an answer may have: of a probability, or of a value relative to its range or itself. */
  readonly tolerance: number;
}

/** What the Worker made of the documents. */
export interface SmokeTestResult {
  readonly figures: ParityFigures;
  /** The largest difference, of whatever the task has. */
  readonly largest: number;
}

/**
 * Makes sure that a Worker serves the bundle, and answers its parity documents as the trainer did: each alone, and all in one request.
 *
 * @throws Error that says what was wrong.
 */
export async function smokeTest(options: SmokeTestOptions): Promise<SmokeTestResult> {
  const { bundle, documents, tolerance } = options;
  await requireBundle(options);
  const texts = documents.map(({ text }) => text);
  const alone: Float32Array[] = [];
  for (const text of texts) alone.push(...(await classify(options, [text])));
  const together = await classify(options, texts);
  const expected = documents.map(({ answer }) => Float32Array.from(answer));
  const figures = compareAnswers(bundle, expected, [alone, together], tolerance);
  const { largest, others } = differencesOf(figures);
  if (!(largest <= tolerance && others === 0)) {
    throw new Error(
      `The Worker does not answer as the trainer did: the largest difference is ${largest.toPrecision(2)} (at most ${tolerance} is accepted), ` +
        `${others} of ${documents.length} documents got another label.`,
    );
  }
  return { figures, largest };
}

async function requireBundle({ url, headers, bundle }: SmokeTestOptions): Promise<void> {
  const served = await ask(`${url}/v1/models/${encodeURIComponent(bundle.name)}`, headers === undefined ? {} : { headers });
  const found = v.parse(v.looseObject({ version: v.string(), created: v.string() }), served);
  if (found.version === bundle.version && found.created === bundle.created) return;
  throw new Error(
    `Version ${found.version} of ${bundle.name}, made on ${found.created}, answers at ${url}, not version ${bundle.version} of ${bundle.created}.`,
  );
}

/** The answers to texts in one request, each as numbers in the order of the labels. */
async function classify({ url, headers, bundle }: SmokeTestOptions, inputs: readonly string[]): Promise<Float32Array[]> {
  const answers = await ask(`${url}/v1/classify`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ inputs }),
  });
  const schema: v.GenericSchema<unknown, Answer> = answerSchemas[bundle.task];
  return v.parse(v.array(schema), answers).map((answer) => numbersOf(answer, bundle.labels));
}

function numbersOf(answer: Answer, labels: readonly string[]): Float32Array {
  if ('value' in answer) return Float32Array.of(answer.value);
  const scores = new Map(('scores' in answer ? answer.scores : answer).map(({ label, score }) => [label, score]));
  return Float32Array.from(labels, (label) => scores.get(label) ?? Number.NaN);
}

async function ask(url: string, init: RequestInit): Promise<unknown> {
  const { pathname } = new URL(url);
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(ANSWER_MILLISECONDS) });
  const text = await response.text();
  if (response.status === 401)
    throw new Error(`The Worker wants a key (401 at ${pathname}). Give one that it knows in ULMFIT_API_KEY, or new ones with --keys.`);
  if (!response.ok) throw new Error(`The Worker answered ${response.status} at ${pathname}: ${text.slice(0, 500)}`);
  return JSON.parse(text) as unknown;
}
