import { once } from 'node:events';

/** Writes a line of results to standard output, and waits while the reader cannot take more. */
export async function printLine(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, 'drain');
}

/** Writes a value as one line of JSON to standard output. */
export async function printJson(value: unknown): Promise<void> {
  await printLine(JSON.stringify(value));
}
