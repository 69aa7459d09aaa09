/** The main function of a thread that tokenizes: batches of documents come in, their tokens go out. See tokenizingThreads.ts. */
import { parentPort } from 'node:worker_threads';
import { BatchTokenizer, type Fields } from './batchTokenizer.ts';

const port = parentPort;
if (port === null) throw new Error('tokenizingThread.ts runs in a thread of its own');
const tokenizer = new BatchTokenizer();

port.on('message', (documents: readonly Fields[]) => {
  const batch = tokenizer.tokenize(documents);
  port.postMessage(batch, [batch.lengths.buffer, batch.numbers.buffer]);
});
