import * as v from 'valibot';

import { createApp } from '../../serve/app.ts';
import { Classifier } from '../../serve/classifier.ts';
import { DEFAULT_LIMITS } from '../../serve/limits.ts';
import { modelFilesSchema } from '../../serve/modelFiles.ts';
import { fixedModels } from '../../serve/modelRegistry.ts';
import type { LoadOrder } from '../../serve/playground/messages.ts';
import type { App } from '../../serve/service.ts';
import { KERNEL_FILE } from '../kernel/description.ts';
import { loadBundleFrom } from '../src/bundleLoader.ts';
import { Download } from './download.ts';
import { fillAndHash } from './fillAndHash.ts';
import { kernelModule } from './kernel.ts';
import { createBrowserSession, ONNXRUNTIME_BYTES, onnxRuntimeAddress } from './onnxRuntime.ts';

export interface LocalAppOptions {
  /** Told of the bytes that have come, of all. */
  readonly onProgress: (bytes: number, of: number) => void;
  /** Told of what a client is told as 500 without detail. */
  readonly onFault: (error: unknown) => void;
}

/** Nobody else waits: whoever asks can take the request back. */
const DEADLINE_MILLISECONDS = 24 * 60 * 60_000;

/**
 * Fetches a model from the server, checks it, and makes the app that answers for it in this browser.
 *
 * @throws Error with what the server said when it does not give the model away; UserError when a file is damaged
 */
export async function createLocalApp({ name, files, key }: LoadOrder, { onProgress, onFault }: LocalAppOptions): Promise<App> {
  const download = new Download(key, onProgress);
  const { files: list } = v.parse(modelFilesSchema, await (await download.open(files)).json());
  const isPacked = list.some((file) => file.name === KERNEL_FILE);
  download.expect(list.reduce((sum, { bytes }) => sum + bytes, isPacked ? 0 : ONNXRUNTIME_BYTES));
  const runtime = isPacked ? undefined : await (await download.open(onnxRuntimeAddress())).arrayBuffer();

  const open = (file: string) => download.open(`${files}/${file}`);
  const { bundle, members } = await loadBundleFrom({
    open,
    find: async (file) => (list.some((listed) => listed.name === file) ? open(file) : undefined),
    fill: fillAndHash,
    kernelModule,
    createSession: (graph, shards) => createBrowserSession(runtime, graph, shards),
  });
  // It is asked by the name that it has on the server, which may be another than the bundle's.
  const classifier = new Classifier({ bundle: { ...bundle, name }, members }, { ...DEFAULT_LIMITS, betweenTurns: nextTask });
  return createApp({ models: fixedModels([classifier]), deadlineMilliseconds: DEADLINE_MILLISECONDS, onFault });
}

/** A graph call keeps the thread: between two of them messages have their turn. Timers would come 4 ms late, as browsers have it. */
function nextTask(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.addEventListener('message', () => {
      port1.close();
      resolve();
    });
    port1.start();
    port2.postMessage(null);
  });
}
