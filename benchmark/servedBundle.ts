import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { DEFAULT_LIMITS } from '../serve/limits.ts';
import { projectFolder } from '../trainer/engine/cache.ts';
import { version } from '../trainer/version.ts';
import { inParallel } from './inParallel.ts';
import { peakMebibytesOfProcess, residentMebibytesOfProcess, ticksOfProcess, ticksOfProcessTree } from './processorTime.ts';
import type { Player } from './turns.ts';

export interface ServedBundleOptions {
  readonly name: string;
  /** The bundle's folder. */
  readonly bundle: string;
  readonly texts: readonly string[];
  /** What each step classifies: places in `texts`. */
  readonly passes: readonly (readonly number[])[];
  /** Requests at a time, each of one text. */
  readonly clients: number;
  /** Documents in a graph call. */
  readonly maxBatch: number;
}

/** How much of the server's log is kept for the case that it fails. */
const KEPT_CHARACTERS = 4000;

/** As serve/deploy starts Node: what is young has a room of fixed size, so that memory does not grow under load. */
const NODE_FLAGS = ['--max-semi-space-size=16'];

/** The contender that is `ulmfit serve`, a process of its own, asked over HTTP by this one. */
export class ServedBundle implements Player {
  readonly name: string;
  readonly versions: Readonly<Record<string, string>> = { ulmfit: version(), node: process.versions.node };
  readonly #options: ServedBundleOptions;
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #agent = new Agent({ keepAlive: true });
  #errors = '';
  #url = '';

  private constructor(options: ServedBundleOptions) {
    this.name = options.name;
    this.#options = options;
    const { bundle, clients, maxBatch } = options;
    // Every client has one document in flight.
    const queue = Math.max(DEFAULT_LIMITS.maxQueue, clients);
    const args = ['serve', bundle, '--port', '0', '--max-batch', String(maxBatch), '--max-queue', String(queue)];
    const program = join(projectFolder(), 'trainer', 'bin.mjs');
    this.#child = spawn(process.execPath, [...NODE_FLAGS, program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-KEPT_CHARACTERS);
    });
  }

  /**
   * Starts the server and waits until it takes requests.
   *
   * @throws Error where it does not start
   */
  static async start(options: ServedBundleOptions): Promise<ServedBundle> {
    const served = new ServedBundle(options);
    for await (const line of createInterface({ input: served.#child.stdout })) {
      const url = /^listening on (http:\S+)$/.exec(line)?.[1];
      if (url === undefined) continue;
      served.#url = url;
      served.#child.stdout.resume();
      return served;
    }
    throw new Error(`${options.name} does not start:\n${served.#errors}`);
  }

  async run(steps: readonly number[]): Promise<number> {
    const { texts, passes, clients } = this.#options;
    const start = performance.now();
    for (const step of steps) {
      await this.classifyAll(
        (passes[step] ?? []).map((place) => texts[place] ?? ''),
        clients,
      );
    }
    return (performance.now() - start) / 1000;
  }

  /**
   * Sends every text in a request of its own, so many at a time.
   *
   * @returns the milliseconds from request to answer of each, in the order of their ends
   */
  async classifyAll(texts: readonly string[], clients: number): Promise<number[]> {
    const milliseconds: number[] = [];
    await inParallel(texts, clients, async (text) => {
      const start = performance.now();
      await this.#classify(text);
      milliseconds.push(performance.now() - start);
    });
    return milliseconds;
  }

  /** Sends a text again and again until told to stop; what is under way then is given up. */
  async classifyUntil(text: string, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#classify(text, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  /** Asks `GET /health`; the milliseconds to its answer. */
  async checkHealth(): Promise<number> {
    const start = performance.now();
    await this.#ask('GET', '/health');
    return performance.now() - start;
  }

  /** Of the server, and of this process, which is its clients. */
  processorTicks(): number {
    return ticksOfProcessTree(this.#pid) + ticksOfProcess(process.pid);
  }

  peakMebibytes(): number {
    return peakMebibytesOfProcess(this.#pid);
  }

  residentMebibytes(): number {
    return residentMebibytesOfProcess(this.#pid);
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    const ended = this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'exit') : undefined;
    this.#child.kill();
    await ended;
  }

  get #pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} did not start: ${this.#errors}`);
    return this.#child.pid;
  }

  #classify(text: string, signal?: AbortSignal): Promise<void> {
    return this.#ask('POST', '/v1/classify', JSON.stringify({ inputs: text }), signal);
  }

  /** @throws Error where the answer is not one with status 200 */
  #ask(method: string, path: string, body?: string, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sent = request(
        this.#url + path,
        {
          method,
          agent: this.#agent,
          ...(body !== undefined && { headers: { 'content-type': 'application/json' } }),
          ...(signal !== undefined && { signal }),
        },
        (response) => {
          let answer = '';
          response.setEncoding('utf8').on('data', (part: string) => (answer += part));
          response.on('error', reject);
          response.on('end', () => {
            if (response.statusCode === 200) resolve();
            else reject(new Error(`${this.name} answered with status ${response.statusCode}: ${answer}`));
          });
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  }
}
