/** Says what is wrong with the pickle, and where. */
export type Fail = (what: string) => never;

/** What stands for a Python class or function: makes plain data of the arguments. It is our own code; none comes from the file. */
export type Maker = (args: readonly unknown[], fail: Fail) => unknown;

/** A Python class or function that a pickle names. Only the name is known here: there is no code behind it. */
export class PythonName {
  readonly name: string;
  /** Undefined where nothing may be made of it, as of a type of numbers. */
  readonly make: Maker | undefined;

  constructor(name: string, make: Maker | undefined) {
    this.name = name;
    this.make = make;
  }
}

/** A Python object as a pickle describes it. Nobody has made it: this is its description and no more. */
export class PythonObject {
  readonly className: string;
  readonly args: readonly unknown[];
  /** Its attributes, where the pickle gives any. */
  state: unknown;

  constructor(className: string, args: readonly unknown[]) {
    this.className = className;
    this.args = args;
  }
}

/** The names that a pickle may use, with what is made of each. Any other is refused before anything is made of it. */
export type AllowedNames = ReadonlyMap<string, Maker | undefined>;

/** What is only described: see {@link PythonObject}. */
export const described =
  (className: string): Maker =>
  (args) =>
    new PythonObject(className, args);

/**
 * A name from a file as it can be shown: control characters, which a terminal would obey, and all that is not ASCII as escapes, and
 * not too long.
 */
export function shown(name: string): string {
  const plain = name.slice(0, 100).replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return name.length > 100 ? `${plain}…` : plain;
}
