/**
 * How the parent talks to a contender, a process of its own: one JSON object a line. The parent writes a {@link Workload} to its
 * standard input and gets {@link Ready} back; then, for each {@link RunRequest}, a {@link RunResult}. The process ends when its
 * standard input does.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Workload } from './workload.ts';

/** The contender is built and may be run. */
export interface Ready {
  /** Versions by name. */
  readonly ready: Readonly<Record<string, string>>;
}

export interface RunRequest {
  /** Numbers of the steps to do: windows of text, or batches of documents. */
  readonly run: readonly number[];
}

export interface RunResult {
  /** Time of all steps of the request together. */
  readonly seconds: number;
}

/** What a contender does. */
export interface Work {
  readonly versions: Readonly<Record<string, string>>;
  /** Does the steps and waits for the device; the time it takes is what is measured. */
  run(steps: readonly number[]): void;
}

/** Serves the parent: the main function of a contender that is written in TypeScript. */
export async function serveParent(build: (workload: Workload) => Promise<Work>): Promise<void> {
  let work: Work | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line) as Workload | RunRequest;
    if (!('run' in message)) {
      work = await build(message);
      await answer({ ready: work.versions });
    } else if (work !== undefined) {
      const start = performance.now();
      work.run(message.run);
      await answer({ seconds: (performance.now() - start) / 1000 });
    }
  }
}

async function answer(message: Ready | RunResult): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(message)}\n`)) await once(process.stdout, 'drain');
}
