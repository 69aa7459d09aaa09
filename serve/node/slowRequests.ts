import type { IncomingMessage } from 'node:http';
import type { Server } from 'node:net';

/** Bodies of any length: they may take any time, and are given up by their route when nothing comes of them for too long. */
const STREAMED_BODIES = /^[^?]*\/classify\/ndjson(\?|$)/;

/**
 * Closes the connection of a client that takes too long to send a request, with 408. Node's own limit knows no exception for a body that is
 * a stream.
 *
 * @param milliseconds that the body of a request may take
 */
export function limitSlowRequests(server: Server, milliseconds: number): void {
  server.on('request', (request: IncomingMessage) => {
    if (request.complete || STREAMED_BODIES.test(request.url ?? '')) return;
    const timer = setTimeout(() => {
      if (request.complete || request.destroyed) return;
      request.socket.write('HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n');
      request.socket.destroySoon();
    }, milliseconds);
    for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer));
  });
}
