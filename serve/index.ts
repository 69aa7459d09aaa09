/**
 * `ulmfit/serve`: a bundle in, answers out, in the same process or over HTTP. `createApp` runs on any runtime; `openBundle` and `startServer`
 * are for Node, and load onnxruntime when they are called.
 */
import type { Classifier } from './classifier.ts';
import type { OpenBundleOptions } from './node/openClassifier.ts';
import type { ModelSource } from './node/modelStore.ts';
import type { RunningServer } from './node/server.ts';
import type { ServerOptions } from './node/serverOptions.ts';

export { answerOf, type AnswerOptions } from './answers.ts';
export { createApp, type AppOptions } from './app.ts';
export { QueueFullError } from './chunkScheduler.ts';
export { Classifier } from './classifier.ts';
export type { ClassifierRuntime, LoadedBundle } from './classifierRuntime.ts';
export { DEFAULT_LIMITS, type Limits } from './limits.ts';
export type { ModelFile, ModelFiles } from './modelFiles.ts';
export { fixedModels, type ModelRegistry, type ServedModel, type ServedVersions } from './modelRegistry.ts';
export type { Answer, Answers, LabelScore } from './schema.ts';
export type { ModelSource, OpenBundleOptions, RunningServer, ServerOptions };

/**
 * Opens a bundle to answer texts in this process. For Node. `dispose()` gives its memory back.
 *
 * @param folder what `ulmfit export` wrote
 * @throws UserError where the folder is no bundle, or a file of it is missing or damaged
 * @example
 * const classifier = await openBundle('bundles/reviews');
 * const [logits = []] = await classifier.classify(['The film is great and funny.']);
 * answerOf(classifier.bundle, logits, { topK: 1 }); // [{ label: 'pos', score: … }]
 * await classifier.dispose();
 */
export async function openBundle(folder: string, options: OpenBundleOptions = {}): Promise<Classifier> {
  return (await import('./node/openClassifier.ts')).openClassifier(folder, options);
}

/**
 * Loads bundles and serves them over HTTP. For Node. Requests are taken once the models are loaded and have answered a first text.
 *
 * @param bundles a folder that `ulmfit export` wrote, or several; the first one is the default model
 * @throws UserError where the bundle cannot be read, a limit makes no sense, or the address is taken
 * @example
 * const server = await startServer('bundles/reviews', { port: 0 });
 * const { status } = await fetch(`${server.url}/health`);
 * status; // 200
 * await server.stop();
 */
export async function startServer(bundles: string | readonly ModelSource[], options: ServerOptions = {}): Promise<RunningServer> {
  return (await import('./node/server.ts')).startServer(bundles, options);
}
