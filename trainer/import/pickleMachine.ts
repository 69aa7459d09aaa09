import { UserError } from '../../text/errors.ts';
import type { PickleReader } from './pickleReader.ts';
import { PythonName, PythonObject, type AllowedNames, shown } from './pythonName.ts';

/** What a pickle is read for. */
export interface PickleRules {
  /** What the file ought to be; for messages. */
  readonly content: 'weights' | 'vocabulary';
  /** Python names that may stand in it. */
  readonly names: AllowedNames;
  /** Resolves a persistent id, by which torch.save refers to the bytes of a tensor. Without it there may be none. */
  readonly persistent?: (id: unknown) => unknown;
}

/**
 * The stack machine that a pickle is a program for (Python's pickletools.py describes it). Lists and tuples become arrays,
 * dictionaries maps, sets sets. It calls nothing but the makers of `rules.names`.
 */
export class PickleMachine {
  readonly reader: PickleReader;
  readonly rules: PickleRules;
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, unknown>();

  constructor(reader: PickleReader, rules: PickleRules) {
    this.reader = reader;
    this.rules = rules;
  }

  push(value: unknown): void {
    this.#stack.push(value);
  }

  pop(): unknown {
    this.#needValue();
    return this.#stack.pop();
  }

  top(): unknown {
    this.#needValue();
    return this.#stack.at(-1);
  }

  #needValue(): void {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) this.reader.fail('takes a value that is not there');
  }

  mark(): void {
    this.#marks.push(this.#stack.length);
  }

  /** The values above the newest mark, which goes with them. */
  popMark(): unknown[] {
    const start = this.#marks.pop() ?? this.reader.fail('takes a mark that is not there');
    return this.#stack.splice(start);
  }

  /** POP takes a mark, where one is on top. */
  popAnything(): void {
    if (this.#marks.at(-1) === this.#stack.length) this.#marks.pop();
    else this.pop();
  }

  remember(index: number): void {
    this.#memo.set(index, this.top());
  }

  rememberNext(): void {
    this.remember(this.#memo.size);
  }

  recall(index: number): void {
    if (!this.#memo.has(index)) this.reader.fail(`refers to value ${index}, which is not there`);
    this.push(this.#memo.get(index));
  }

  /** @throws UserError where the name is not one of those that are allowed */
  name(module: string, name: string): PythonName {
    const full = `${module}.${name}`;
    if (!this.rules.names.has(full)) throw refusal(this.reader.file, full, this.rules.content);
    return new PythonName(full, this.rules.names.get(full));
  }

  /** What stands for a call, or for an object that is made. */
  make(callable: unknown, args: unknown): unknown {
    if (!(callable instanceof PythonName)) return this.reader.fail('calls what is no name');
    if (callable.make === undefined) return this.reader.fail(`makes something of ${callable.name}`);
    if (!Array.isArray(args)) return this.reader.fail('calls without a list of arguments');
    return callable.make(args, (what) => this.reader.fail(what));
  }

  /** Gives an object its attributes. Nothing is called; the attributes of a dictionary or a tensor are left out. */
  setState(state: unknown): void {
    const target = this.top();
    if (target instanceof PythonObject) target.state = state;
    else if (target === null || typeof target !== 'object' || target instanceof PythonName || Array.isArray(target)) {
      this.reader.fail('gives attributes to what has none');
    }
  }
}

/** Roots of the modules whose classes are in a file that holds a whole learner or model. */
const WHOLE_OBJECTS = /^(fastai\d?|fastcore|torch|spacy|__main__)\./;

function refusal(file: string, name: string, content: PickleRules['content']): UserError {
  if (!WHOLE_OBJECTS.test(name)) {
    const what = content === 'weights' ? 'a file of weights' : 'a vocabulary';
    return new UserError(`${file} names ${shown(name)}: ${what} has no business with it. Nothing in the file was run.`);
  }
  const cure =
    content === 'weights'
      ? 'learn.save(name), or torch.save(learn.model.state_dict(), name), writes the weights alone.'
      : "pickle.dump(list(vocabulary), open('itos.pkl', 'wb')) writes the words alone.";
  return new UserError(`${file} names ${shown(name)}: it holds whole Python objects. Nothing in the file was run. In Python, ${cure}`);
}
