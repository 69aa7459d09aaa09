/**
 * How the parent talks to a contender, a process of its own: one JSON object a line. The parent writes its work, such as a {@link Workload}, to its
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
  /** Numbers of the steps to do: windows of text, batches of documents, or passes over all of them. */
  readonly run: readonly number[];
}

export interface RunResult {
  /** Time of all steps of the request together; where the work says itself what counts, of that alone. */
  readonly seconds: number;
  /** Tokens that came out, of tokenizing. */
  readonly tokens?: number;
}

/** What a contender does. */
export interface Work {
  readonly versions: Readonly<Record<string, string>>;
  /** Does the steps and waits for the device; the time it takes is what is measured. What it gives goes to the parent. */
  run(steps: readonly number[]): Partial<RunResult> | void | Promise<Partial<RunResult>>;
}

/** Serves the parent: the main function of a contender that is written in TypeScript. */
export async function serveParent<Task extends object = Workload>(build: (task: Task) => Promise<Work>): Promise<void> {
  let work: Work | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line) as Task | RunRequest;
    if (!('run' in message)) {
      work = await build(message);
      await answer({ ready: work.versions });
    } else if (work !== undefined) {
      const start = performance.now();
      const result = work.run(message.run);
      const more = result instanceof Promise ? await result : result;
      await answer({ seconds: (performance.now() - start) / 1000, ...more });
    }
  }
}

async function answer(message: Ready | RunResult): Promise<void> {
  if (!process.stdout.write(`${JSON.stringify(message)}\n`)) await once(process.stdout, 'drain');
}
