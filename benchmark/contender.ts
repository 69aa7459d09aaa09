import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { peakMebibytesOfProcess, ticksOfProcessTree } from './processorTime.ts';
import type { Ready, RunResult } from './protocol.ts';
import type { Player } from './turns.ts';

/** How a contender's process is started. */
export interface ContenderCommand {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Set in addition to this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** A contender that is a module of this folder, on this Node. */
export function ownContender(name: string, module: string, environment: Readonly<Record<string, string>> = {}): ContenderCommand {
  // Compiled modules end otherwise than their sources.
  const program = fileURLToPath(new URL(`${module}${extname(import.meta.url)}`, import.meta.url));
  return { name, program: process.execPath, args: [program], environment };
}

/** How much of what a contender writes to standard error is kept for the case that it fails. */
const KEPT_CHARACTERS = 4000;

/** A contender in a process of its own: it has its own peak of memory, and waits for its turn without using the processor. */
export class Contender implements Player {
  readonly name: string;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #lines: AsyncIterator<string>;
  readonly #reader: Interface;
  #versions: Readonly<Record<string, string>> = {};
  #tokens: number | undefined;
  #errors = '';

  private constructor({ name, program, args, environment }: ContenderCommand, log: (line: string) => void) {
    this.name = name;
    this.#child = spawn(program, [...args], { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    this.#reader = createInterface({ input: this.#child.stdout });
    this.#lines = this.#reader[Symbol.asyncIterator]();
    createInterface({ input: this.#child.stderr }).on('line', (line) => {
      this.#errors = `${this.#errors}${line}\n`.slice(-KEPT_CHARACTERS);
      log(`${name}: ${line}`);
    });
    this.#child.on('error', (error) => (this.#errors += error.message));
    this.#child.stdin.on('error', () => {}); // a broken pipe: reading its answer tells more
  }

  /**
   * Starts a contender and has it build what it runs.
   *
   * @param work what it runs, such as a `Workload`, as plain JSON
   * @param log gets what it writes to standard error
   * @throws Error where the process fails
   */
  static async start(command: ContenderCommand, work: object, log: (line: string) => void): Promise<Contender> {
    const contender = new Contender(command, log);
    try {
      contender.#versions = (await contender.#ask<Ready>(work)).ready;
      return contender;
    } catch (error) {
      contender.#child.kill('SIGKILL');
      throw error;
    }
  }

  /** Versions of what it runs on, by name. */
  get versions(): Readonly<Record<string, string>> {
    return this.#versions;
  }

  /** Does steps; gives the seconds that they took. */
  async run(steps: readonly number[]): Promise<number> {
    const { seconds, tokens } = await this.#ask<RunResult>({ run: steps });
    this.#tokens = tokens;
    return seconds;
  }

  /** Tokens that came out of its last turn, of tokenizing. */
  get tokens(): number | undefined {
    return this.#tokens;
  }

  /** The most memory that the process has held so far (resident set), in MiB. */
  peakMebibytes(): number {
    return peakMebibytesOfProcess(this.#pid);
  }

  /** Processor time of all its threads and of the processes that it has started so far, in clock ticks. */
  processorTicks(): number {
    return ticksOfProcessTree(this.#pid);
  }

  /** Ends the process. */
  async stop(): Promise<void> {
    const ended = this.#child.exitCode === null && this.#child.signalCode === null ? once(this.#child, 'exit') : undefined;
    this.#reader.close();
    this.#child.stdin.end();
    this.#child.kill();
    await ended;
  }

  get #pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} did not start: ${this.#errors}`);
    return this.#child.pid;
  }

  async #ask<Answer>(message: unknown): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(message)}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`${this.name} has ended without an answer; it said:\n${this.#errors.trim()}`);
    return JSON.parse(value) as Answer;
  }
}
