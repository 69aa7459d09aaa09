import type { RequestOrder, ResponsePart } from '../../serve/playground/messages.ts';
import type { App } from '../../serve/service.ts';

/** Requests have an address, which nobody looks up. */
const ADDRESS = 'http://local.invalid/';

/** Asks the app, and sends its answer to the port piece by piece. A message on the port takes the request back. */
export async function answer(app: App, { path, method, headers, body }: RequestOrder, port: MessagePort): Promise<void> {
  const left = new AbortController();
  port.addEventListener('message', () => left.abort());
  port.start();
  const tell = (part: ResponsePart) => port.postMessage(part);
  const response = await app.fetch(new Request(new URL(path, ADDRESS), { method, headers, body, signal: left.signal }));
  tell({ kind: 'head', status: response.status, headers: Object.fromEntries(response.headers) });
  const reader = response.body?.getReader();
  left.signal.addEventListener('abort', () => void reader?.cancel());
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done || value === undefined) break;
    tell({ kind: 'piece', bytes: value });
  }
  tell({ kind: 'end' });
  port.close();
}
