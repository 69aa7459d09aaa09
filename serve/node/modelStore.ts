import { realpath } from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep } from 'node:path';

import { UserError } from '../../text/errors.ts';
import type { Bundle } from '../../export/bundle.ts';
import type { Classifier } from '../classifier.ts';
import { HttpError, modelNotFoundError } from '../errors.ts';
import type { ModelFiles } from '../modelFiles.ts';
import { findVersion, type ModelRegistry, type ServedModel, type ServedVersions } from '../modelRegistry.ts';
import type { ModelAdmin } from '../routes/admin.ts';

/** A bundle to serve. */
export interface ModelSource {
  readonly folder: string;
  /** Under which it is served: the bundle's own name, unless told. */
  readonly name?: string | undefined;
}

export interface ModelStoreOptions {
  /** Loads a bundle, ready for its first request. */
  readonly open: (folder: string) => Promise<Classifier>;
  /** What a bundle can be copied from, where whoever may ask may have the models. */
  readonly filesOf?: ((folder: string, bundle: Bundle) => Promise<ModelFiles>) | undefined;
  /** Below it lie the bundles that an admin may name. Without it, none can be. */
  readonly modelsRoot?: string | undefined;
  /** Told when the memory of a version that is served no more cannot be given back. */
  readonly onFault?: ((error: unknown) => void) | undefined;
}

/** A bundle that has been loaded. */
type Loaded = Pick<ServedModel, 'classifier' | 'files'>;

/** The first call of a graph allocates and is slower: one document before the first client's. */
const WARM_UP_TEXT = 'The first call is the slowest one.';

/**
 * Models on Node, which can be exchanged while requests run. A new version is loaded beside the one that answers and takes its place
 * between two requests; the one before is kept for a rollback, and what came before that one leaves memory when its last request has
 * been answered.
 *
 * @example
 * const store = await ModelStore.open([{ folder: 'bundles/reviews-1' }], { open: openClassifier, modelsRoot: 'bundles' });
 * await store.addVersion('reviews', 'reviews-2');
 * await store.rollBack('reviews');
 */
export class ModelStore implements ModelRegistry, ModelAdmin {
  readonly #models = new Map<string, ServedVersions>();
  readonly #folders = new Map<string, string>();
  readonly #listeners = new Set<(changed: ServedVersions) => void>();
  readonly #retiring = new Set<Promise<void>>();
  readonly #options: ModelStoreOptions;
  /** One change after the other. */
  #change: Promise<unknown> = Promise.resolve();

  private constructor(options: ModelStoreOptions) {
    this.#options = options;
  }

  /** @throws UserError without any bundle, with two of one name, or when one cannot be read. */
  static async open(sources: readonly ModelSource[], options: ModelStoreOptions): Promise<ModelStore> {
    if (sources.length === 0) throw new UserError('Name a bundle to serve.');
    const store = new ModelStore(options);
    try {
      for (const source of sources) {
        const loaded = await store.#load(source.folder);
        const { classifier } = loaded;
        const name = source.name ?? classifier.bundle.name;
        if (store.#models.has(name)) {
          await classifier.dispose();
          throw new UserError(`Two bundles have the name "${name}". Give one of them another: other-name=${source.folder}`);
        }
        store.#models.set(name, { name, current: { name, version: classifier.bundle.version, ...loaded } });
        store.#folders.set(name, source.folder);
      }
    } catch (error) {
      await store.dispose();
      throw error;
    }
    return store;
  }

  get defaultName(): string {
    return this.default.name;
  }

  /** The default model, which there always is. */
  get default(): ServedModel {
    const [first] = this.#models.values();
    if (first === undefined) throw new Error('The store was not opened.');
    return first.current;
  }

  find(name = this.defaultName, version?: string): ServedModel | undefined {
    return findVersion(this.#models.get(name), version);
  }

  list(): readonly ServedVersions[] {
    return [...this.#models.values()];
  }

  subscribe(listener: (changed: ServedVersions) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  addVersion(name: string, folder: string): Promise<ServedVersions> {
    return this.#oneByOne(async () => {
      const model = this.#require(name);
      return this.#replace(model, await this.#loadForAdmin(await this.#folderBelowRoot(folder)));
    });
  }

  rollBack(name: string): Promise<ServedVersions> {
    return this.#oneByOne(async () => {
      const { current, previous } = this.#require(name);
      if (previous === undefined) throw new HttpError(409, 'version_conflict', 'There is no version before this one to go back to.');
      return this.#set({ name, current: previous, previous: current });
    });
  }

  /**
   * Reads the folders anew that the store was opened with, and takes over every bundle whose version is another than the one that
   * answers. A bundle that cannot be read leaves its model as it is.
   *
   * @returns the models that changed, and why others could not
   */
  reload(): Promise<{ readonly changed: readonly ServedVersions[]; readonly failures: readonly unknown[] }> {
    return this.#oneByOne(async () => {
      const changed: ServedVersions[] = [];
      const failures: unknown[] = [];
      for (const [name, folder] of this.#folders) {
        try {
          const loaded = await this.#load(folder);
          const model = this.#require(name);
          if (loaded.classifier.bundle.version === model.current.version) await loaded.classifier.dispose();
          else changed.push(await this.#replace(model, loaded));
        } catch (error) {
          failures.push(error);
        }
      }
      return { changed, failures };
    });
  }

  /** Gives all memory back, once every request has been answered. */
  async dispose(): Promise<void> {
    await this.#oneByOne(async () => {
      const served = this.list().flatMap(({ current, previous }) => [current, ...(previous === undefined ? [] : [previous])]);
      await Promise.all([...this.#retiring, ...served.map(({ classifier }) => classifier.dispose())]);
    });
  }

  #oneByOne<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#change.then(change);
    this.#change = result.catch(() => {});
    return result;
  }

  #require(name: string): ServedVersions {
    const model = this.#models.get(name);
    if (model === undefined) throw modelNotFoundError();
    return model;
  }

  async #load(folder: string): Promise<Loaded> {
    const classifier = await this.#options.open(folder);
    try {
      await classifier.classify([WARM_UP_TEXT]);
      return { classifier, files: await this.#options.filesOf?.(folder, classifier.bundle) };
    } catch (error) {
      await classifier.dispose();
      throw error;
    }
  }

  async #loadForAdmin(folder: string): Promise<Loaded> {
    try {
      return await this.#load(folder);
    } catch (error) {
      if (error instanceof UserError) throw new HttpError(422, 'invalid_bundle', error.message);
      throw error;
    }
  }

  /** The folder itself, wherever links lead: nothing outside the root is ever read. */
  async #folderBelowRoot(folder: string): Promise<string> {
    const { modelsRoot } = this.#options;
    if (modelsRoot === undefined) {
      throw new HttpError(403, 'forbidden', 'The server was started without --models-root, the folder below which new versions lie.');
    }
    const notFound = new HttpError(
      422,
      'invalid_bundle',
      'folder must name a bundle below the server\'s --models-root, such as "reviews-2".',
    );
    const root = await realpath(modelsRoot);
    const path = await realpath(resolve(root, folder)).catch(() => Promise.reject(notFound));
    const below = relative(root, path);
    if (below === '' || below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below)) throw notFound;
    return path;
  }

  async #replace({ name, current, previous }: ServedVersions, loaded: Loaded): Promise<ServedVersions> {
    const { classifier } = loaded;
    const { version } = classifier.bundle;
    if (version === current.version) {
      await classifier.dispose();
      const message = `Version ${version} of ${name} answers already. Export the new one with another --bundle-version.`;
      throw new HttpError(409, 'version_conflict', message);
    }
    const changed = this.#set({ name, current: { name, version, ...loaded }, previous: current });
    if (previous !== undefined) this.#retire(previous);
    return changed;
  }

  #set(model: ServedVersions): ServedVersions {
    this.#models.set(model.name, model);
    for (const listener of this.#listeners) listener(model);
    return model;
  }

  #retire({ classifier }: ServedModel): void {
    const retired = classifier
      .dispose()
      .catch((error: unknown) => this.#options.onFault?.(error))
      .finally(() => this.#retiring.delete(retired));
    this.#retiring.add(retired);
  }
}
