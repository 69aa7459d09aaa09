import type { Classifier } from './classifier.ts';
import type { ModelFiles } from './modelFiles.ts';

/** One version of a model, ready to answer. Who has found one may go on using it to the end of the request, whatever comes after it. */
export interface ServedModel {
  readonly name: string;
  readonly version: string;
  readonly classifier: Classifier;
  /** What it can be copied from. Nothing where models are not given away. */
  readonly files?: ModelFiles | undefined;
}

/** A model with the versions that can be asked. */
export interface ServedVersions {
  readonly name: string;
  /** Answers requests that name no version. */
  readonly current: ServedModel;
  /** Kept for a rollback; answers requests that name its version. */
  readonly previous?: ServedModel | undefined;
}

/**
 * The models that are served: all that routes know of where models come from. On Node they can be exchanged while requests run; at
 * the edge there is one, which never changes.
 */
export interface ModelRegistry {
  /** The model of requests that name none. */
  readonly defaultName: string;
  /**
   * @param name the default model unless told
   * @param version the current one unless told
   * @returns undefined when there is no such model, or no such version of it
   */
  find(name?: string, version?: string): ServedModel | undefined;
  /** All models in the order in which they were named. */
  list(): readonly ServedVersions[];
  /**
   * Calls back after a model's versions have changed.
   *
   * @returns what ends the subscription
   */
  subscribe(listener: (changed: ServedVersions) => void): () => void;
}

/**
 * Models that stay as they are, each under the name and version of its bundle. The first one is the default.
 *
 * @param filesOf what a model can be copied from, where whoever may ask may have it
 * @throws RangeError without any model, or with two of one name.
 * @example
 * const classifier = await openBundle('bundles/reviews');
 * const models = fixedModels([classifier]);
 * models.find()?.version; // '1'
 * await classifier.dispose();
 */
export function fixedModels(
  classifiers: readonly Classifier[],
  filesOf: (classifier: Classifier) => ModelFiles | undefined = () => undefined,
): ModelRegistry {
  const models = new Map<string, ServedVersions>();
  for (const classifier of classifiers) {
    const { name, version } = classifier.bundle;
    if (models.has(name)) throw new RangeError(`Two models have the name "${name}".`);
    models.set(name, { name, current: { name, version, classifier, files: filesOf(classifier) } });
  }
  const [first] = models.keys();
  if (first === undefined) throw new RangeError('There must be a model to serve.');
  return {
    defaultName: first,
    find: (name = first, version) => findVersion(models.get(name), version),
    list: () => [...models.values()],
    subscribe: () => () => {},
  };
}

/** The version asked for, where it is served. */
export function findVersion(model: ServedVersions | undefined, version: string | undefined): ServedModel | undefined {
  if (version === undefined) return model?.current;
  return [model?.current, model?.previous].find((served) => served?.version === version);
}
