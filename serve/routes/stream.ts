import { Hono } from 'hono';
import { accepts } from 'hono/accepts';
import type * as v from 'valibot';

import { answerOf, type AnswerOptions } from '../answers.ts';
import type { Progress } from '../classifier.ts';
import { errorBody } from '../errors.ts';
import type { ServedModel } from '../modelRegistry.ts';
import { requireForward } from '../partialDocument.ts';
import { streamRequestSchema, type streamEventSchema } from '../pieceSchema.ts';
import { limitBody, readJson, requireText, withDeadline } from '../requests.ts';
import { answerOptions, parseRequest, refuseForeignParameters } from '../schema.ts';
import { modelOf, modelPaths, noteError, type App, type AppEnv, type Service } from '../service.ts';

type StreamEvent = v.InferOutput<typeof streamEventSchema>;

/** How an event is written, by the media type that the client accepts; the first is sent to who accepts anything. */
const FORMATS = {
  'application/x-ndjson': (event: object) => `${JSON.stringify(event)}\n`,
  'text/event-stream': (event: object) => `event: ${'error' in event ? 'error' : 'prediction'}\ndata: ${JSON.stringify(event)}\n\n`,
} as const;
const [DEFAULT_FORMAT, ...OTHER_FORMATS] = Object.keys(FORMATS) as [keyof typeof FORMATS, ...(keyof typeof FORMATS)[]];

/**
 * `POST /v1/classify/stream`, and the same for a model by name and version: the prediction after each chunk of a text, as lines of
 * JSON or as server-sent events, by the request's Accept. The last one has `final: true` and is what `POST /v1/classify` answers. An error
 * before the first prediction has its own status; a later one comes as `{"error": …}` and ends the stream. When the
 * client leaves, the text leaves the line.
 */
export function streamRoute(service: Service): App {
  const route = new Hono<AppEnv>();
  route.on('POST', modelPaths('/classify/stream'), limitBody(service.limits.maxBodyBytes), async (context) => {
    const model = modelOf(context, service.models);
    const { bundle } = model.classifier;
    const request = parseRequest(streamRequestSchema, await readJson(context));
    refuseForeignParameters(request.parameters, bundle.task);
    const text = requireText(request.inputs, 'inputs', service.limits);
    requireForward(bundle);
    context.var.notes.texts = 1;
    const media = accepts(context, { header: 'Accept', supports: [DEFAULT_FORMAT, ...OTHER_FORMATS], default: DEFAULT_FORMAT });
    const write = FORMATS[media as keyof typeof FORMATS];

    const left = new AbortController();
    const events = predictions(model, answerOptions(request.parameters), (onProgress) =>
      withDeadline(context, service, (signal) =>
        model.classifier.classify([text], { signal: AbortSignal.any([signal, left.signal]), onProgress }),
      ),
    );
    // Before the status is sent: the queue may be full, or the graph fail.
    let next = await events.next();
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (next.done === true) {
          controller.close();
          return;
        }
        controller.enqueue(encoder.encode(write(next.value)));
        try {
          next = await events.next();
        } catch (error) {
          if (left.signal.aborted || context.req.raw.signal.aborted) return; // nobody reads on
          const { code, message } = noteError(context, service, error);
          controller.enqueue(encoder.encode(write(errorBody(code, message))));
          controller.close();
          return;
        }
        if (next.done === true) controller.close();
      },
      cancel: (reason) => left.abort(reason),
    });
    return context.body(body, 200, { 'content-type': media, 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  });
  return route;
}

/** What the reading of one text by one model brings, chunk by chunk, however slowly it is asked for; fails when the reading does. */
async function* predictions(
  { classifier: { bundle } }: ServedModel,
  options: AnswerOptions,
  read: (onProgress: (progress: Progress) => void) => Promise<unknown>,
): AsyncGenerator<StreamEvent, void, undefined> {
  const waiting: Progress[] = [];
  const state: { outcome?: { readonly error?: unknown } } = {};
  let wake = Promise.withResolvers<void>();
  const reading = read((progress) => {
    waiting.push(progress);
    wake.resolve();
  });
  const end = (outcome: { readonly error?: unknown }) => {
    state.outcome = outcome;
    wake.resolve();
  };
  reading.then(
    () => end({}),
    (error: unknown) => end({ error }),
  );
  for (;;) {
    for (let progress = waiting.shift(); progress !== undefined; progress = waiting.shift()) {
      const { logits, tokensRead, tokens } = progress;
      yield { tokens_read: tokensRead, tokens, final: tokensRead === tokens, answer: answerOf(bundle, [logits], options) };
    }
    if (state.outcome !== undefined) {
      if ('error' in state.outcome) throw state.outcome.error;
      return;
    }
    await wake.promise;
    wake = Promise.withResolvers();
  }
}
