import { Contender, type ContenderCommand } from './contender.ts';
import type { Player } from './turns.ts';

/** A contender whose every turn is that of a new process, so that nothing is warm from the turn before: no cache, no compiled code. */
export class FreshContender implements Player {
  readonly #command: ContenderCommand;
  readonly #work: object;
  readonly #log: (line: string) => void;
  #ticks = 0;
  #peak = 0;
  #last: { readonly versions: Contender['versions']; readonly tokens: number | undefined } = { versions: {}, tokens: undefined };

  constructor(command: ContenderCommand, work: object, log: (line: string) => void) {
    this.#command = command;
    this.#work = work;
    this.#log = log;
  }

  get name(): string {
    return this.#command.name;
  }

  get versions(): Contender['versions'] {
    return this.#last.versions;
  }

  get tokens(): number | undefined {
    return this.#last.tokens;
  }

  async run(steps: readonly number[]): Promise<number> {
    const contender = await Contender.start(this.#command, this.#work, this.#log);
    try {
      const seconds = await contender.run(steps);
      this.#ticks += contender.processorTicks();
      this.#peak = Math.max(this.#peak, contender.peakMebibytes());
      this.#last = { versions: contender.versions, tokens: contender.tokens };
      return seconds;
    } finally {
      await contender.stop();
    }
  }

  processorTicks(): number {
    return this.#ticks;
  }

  peakMebibytes(): number {
    return this.#peak;
  }

  /** There is no process between two turns. */
  async stop(): Promise<void> {}
}
