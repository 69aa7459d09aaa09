import { Hono, type Context } from 'hono';

import { answerOf, type AnswerOptions } from '../answers.ts';
import { bodyLines, type BodyLine } from '../bodyLines.ts';
import type { Classifier } from '../classifier.ts';
import { answerOptions, LINES_MEDIA_TYPE, parseLine, requireLines } from '../documentLine.ts';
import { deadlineError, errorBody, HttpError } from '../errors.ts';
import { inOrder } from '../inOrder.ts';
import { whenThereIsRoom } from '../roomInQueue.ts';
import { modelOf, modelPaths, noteError, type AppEnv, type Service } from '../service.ts';

/** Lines that are answered at a time: enough to fill two graph calls, so that one request leaves most of the queue to others. */
const LINES_AT_ONCE = 32;
/** No further line is read while those in work have more than this. */
const BYTES_AT_ONCE = 4 * 1024 * 1024;
/** How often a line looks whether there is room for it in a full queue. */
const ROOM_MILLISECONDS = 20;

/**
 * `POST /v1/classify/ndjson`, and the same for a model by name and version: any number of documents in one request. The body is NDJSON,
 * a line `{"text": "…"}` with an `id` if need be; so is the answer, in the same order: `{"line", "id", "answer"}`, or `{"line", "error"}`
 * for a line that cannot be answered. Answers leave as they are made, lines are read as there is room for them, and neither is ever
 * kept as a whole. Blank lines are skipped. `top_k` and `function_to_apply` stand in the address's query.
 */
export function classifyLinesRoute(service: Service): Hono<AppEnv> {
  const route = new Hono<AppEnv>();
  route.on('POST', modelPaths('/classify/ndjson'), (context) => {
    const { classifier } = modelOf(context, service.models);
    requireLines(context.req.raw.headers);
    const options = answerOptions(context, classifier.bundle.task);
    const answers = new LineAnswers(context, service, classifier, options);
    return context.body(answers.stream(), 200, { 'content-type': LINES_MEDIA_TYPE });
  });
  return route;
}

/** The answers to the lines of one request. */
class LineAnswers {
  readonly #context: Context<AppEnv>;
  readonly #service: Service;
  readonly #classifier: Classifier;
  readonly #options: AnswerOptions;
  readonly #body: ReadableStreamDefaultReader<Uint8Array> | undefined;
  /** One for each line in work. A signal for all of them would keep something of every line to the end of the request. */
  readonly #lines = new Set<AbortController>();
  /** Why the request is given up. */
  #end: { readonly reason: unknown } | undefined;

  constructor(context: Context<AppEnv>, service: Service, classifier: Classifier, options: AnswerOptions) {
    this.#context = context;
    this.#service = service;
    this.#classifier = classifier;
    this.#options = options;
    this.#body = context.req.raw.body?.getReader();
  }

  stream(): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    const answers = this.#answers();
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const { done, value } = await answers.next();
        if (done === true) controller.close();
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`));
      },
      cancel: async (reason) => {
        this.#giveUp(reason);
        await answers.return(undefined);
      },
    });
  }

  async *#answers(): AsyncGenerator<object> {
    const { shutdown, limits } = this.#service;
    const client = this.#context.req.raw.signal;
    const release = this.#classifier.hold();
    const clientLeft = () => this.#giveUp(client.reason);
    const shutDown = () => this.#giveUp(shutdown?.reason);
    client.addEventListener('abort', clientLeft, { once: true });
    shutdown?.addEventListener('abort', shutDown, { once: true });
    try {
      const lines = bodyLines(() => this.#nextPiece(), limits.maxBodyBytes);
      const sizeOf = ({ bytes }: BodyLine) => bytes?.length ?? 0;
      const answers = inOrder(lines, { atOnce: LINES_AT_ONCE, sizeOf, room: BYTES_AT_ONCE }, (line) => this.#answer(line));
      for await (const answer of answers) if (answer !== undefined) yield answer;
      // What a client must know that waits for more lines to be answered.
      if (this.#end?.reason instanceof HttpError) yield this.#errorOf(this.#end.reason);
    } finally {
      client.removeEventListener('abort', clientLeft);
      shutdown?.removeEventListener('abort', shutDown);
      release();
    }
  }

  /** The next piece of the body; undefined at its end, or when the request is given up. A client that sends nothing is not waited for. */
  async #nextPiece(): Promise<Uint8Array | undefined> {
    if (this.#body === undefined || this.#end !== undefined) return undefined;
    const timer = setTimeout(() => this.#giveUp(silentError()), this.#service.limits.deadlineMilliseconds);
    try {
      return (await this.#body.read()).value;
    } catch (error) {
      // The connection broke in the middle of the body.
      this.#giveUp(error);
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  #giveUp(reason: unknown = new Error('The client left.')): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    for (const line of this.#lines) line.abort(reason);
    this.#body?.cancel().catch(() => {}); // it may be broken already
  }

  /** The answer to a line, or what is wrong with it; undefined for a blank one. */
  async #answer({ number, bytes }: BodyLine): Promise<object | undefined> {
    try {
      const line = parseLine(bytes, number, this.#service.limits);
      if (line === undefined) return undefined;
      const [logits = []] = await this.#classify(line.text);
      const answer = answerOf(this.#classifier.bundle, logits, this.#options);
      return { line: number, ...(line.id !== undefined && { id: line.id }), answer };
    } catch (error) {
      return { line: number, ...this.#errorOf(error) };
    }
  }

  /** Waits for room where the queue is full: whoever sends a stream of lines has time, until the deadline of each. */
  async #classify(text: string): Promise<Awaited<ReturnType<Classifier['classify']>>> {
    const line = new AbortController();
    if (this.#end !== undefined) line.abort(this.#end.reason);
    const timer = setTimeout(() => line.abort(deadlineError()), this.#service.limits.deadlineMilliseconds);
    this.#lines.add(line);
    try {
      const { signal } = line;
      return await whenThereIsRoom(() => this.#classifier.classify([text], { signal }), { milliseconds: ROOM_MILLISECONDS, signal });
    } finally {
      this.#lines.delete(line);
      clearTimeout(timer);
    }
  }

  #errorOf(error: unknown): object {
    // Nobody reads what is left of a request whose client has gone, and nothing is wrong with the server.
    if (error === this.#end?.reason && !(error instanceof HttpError)) return {};
    const { code, message } = noteError(this.#context, this.#service, error);
    return errorBody(code, message);
  }
}

const silentError = () =>
  new HttpError(504, 'deadline_exceeded', 'No further line came in time. Send the lines that are not answered in another request.');
