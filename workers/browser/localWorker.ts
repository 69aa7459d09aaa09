/**
 * The Web Worker of the playground that runs a model: the server's own app, asked by messages in place of HTTP. Compiled into one file by
 * build.ts; what is said to it is in serve/playground/messages.ts.
 */
import type { Fault, LoadNews, LoadOrder, Order } from '../../serve/playground/messages.ts';
import type { App } from '../../serve/service.ts';
import { answer } from './answer.ts';
import { createLocalApp } from './localApp.ts';

let app: App | undefined;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function load(order: LoadOrder, tell: (news: LoadNews) => void): Promise<void> {
  try {
    app = await createLocalApp(order, {
      onProgress: (bytes, of) => tell({ kind: 'progress', bytes, of }),
      onFault: (error) => postMessage({ kind: 'fault', message: messageOf(error) } satisfies Fault),
    });
    tell({ kind: 'ready' });
  } catch (error) {
    tell({ kind: 'failed', message: messageOf(error) });
  }
}

addEventListener('message', ({ data, ports: [port] }: MessageEvent<Order>) => {
  if (port === undefined) return;
  if (data.kind === 'load') void load(data, (news) => port.postMessage(news));
  else if (app !== undefined) void answer(app, data, port);
});
