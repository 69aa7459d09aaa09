import { readFileSync } from 'node:fs';
import type { CommandUnknownOpts, Option } from '@commander-js/extra-typings';
import { UserError } from '../../text/errors.ts';

/** Entries of a run's config.json that tell where it ran and on what, or are arguments of the command. */
const DESCRIPTIONS = new Set(['data', 'labelNames', 'device']);

/** Entries that are flags on the command line. */
const AS_FLAGS: Readonly<Record<string, (value: unknown) => readonly [name: string, value: unknown] | undefined>> = {
  task: (value) => (value === 'singleLabel' ? undefined : [String(value), true]),
  range: (value) => ['bounds', Array.isArray(value) ? value.join(',') : value],
};

/**
 * Gives a command the options of a file, as if they stood on the command line; what does stand there comes first. The file is JSON with the
 * options' names as in config.json, which every run writes: so a run can be repeated from its own. A hook for `preAction`.
 *
 * @throws UserError where the file cannot be read, names no option of this command, or holds a value that the option refuses
 */
export function applyConfig(command: CommandUnknownOpts): void {
  const { config: path } = command.opts() as { config?: string };
  if (path === undefined) return;
  for (const [name, value] of Object.entries(readConfig(path, command.name()))) {
    if (DESCRIPTIONS.has(name)) continue;
    const entry = AS_FLAGS[name] === undefined ? ([name, value] as const) : AS_FLAGS[name](value);
    if (entry === undefined) continue;
    const option = command.options.find((each) => each.attributeName() === entry[0]);
    if (option === undefined)
      throw new UserError(`${path}: "${name}" is no option of ulmfit ${command.name()}. See ulmfit ${command.name()} --help.`);
    if (isTyped(command, option)) continue;
    command.setOptionValueWithSource(option.attributeName(), parsed(option, entry[1], `${path}: "${name}"`), 'config');
  }
}

function readConfig(path: string, command: string): Record<string, unknown> {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new UserError(`${path} cannot be read. --config takes a JSON file, such as the config.json of a run.`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new UserError(`${path} is not valid JSON. --config takes a file such as the config.json of a run.`);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new UserError(`${path} must hold a JSON object of options, such as {"epochs": 3}.`);
  }
  const { command: of, ...options } = json as Record<string, unknown>;
  if (of !== undefined && of !== command)
    throw new UserError(
      `${path} is the configuration of ulmfit ${typeof of === 'string' ? of : 'something else'}, not of ulmfit ${command}.`,
    );
  return options;
}

/** Whether the command line says something about an option, or about one that excludes it. */
function isTyped(command: CommandUnknownOpts, option: Option): boolean {
  const related = [option.attributeName(), ...(EXCLUSIVE[option.attributeName()] ?? [])];
  return related.some((name) => ['cli', 'env'].includes(command.getOptionValueSource(name) ?? 'default'));
}

const EXCLUSIVE: Readonly<Record<string, readonly string[]>> = {
  from: ['fromScratch'],
  fromScratch: ['from'],
  multiLabel: ['regression'],
  regression: ['multiLabel'],
};

function parsed(option: Option, value: unknown, place: string): unknown {
  const isFlag = !option.required && !option.optional;
  if (isFlag) {
    if (typeof value === 'boolean') return value;
    throw new UserError(`${place} must be true or false.`);
  }
  const parse = option.parseArg as ((value: string, previous?: unknown) => unknown) | undefined;
  try {
    if (Array.isArray(value) && option.argChoices === undefined) {
      return value.reduce<unknown>((previous, each) => parse?.(String(each), previous) ?? String(each), undefined);
    }
    return parse?.(String(value)) ?? String(value);
  } catch (error) {
    throw new UserError(`${place}: ${JSON.stringify(value)} is invalid. ${error instanceof Error ? error.message : ''}`.trim());
  }
}

/** A command's options that somebody chose: on the command line, in a file or in the environment. Defaults are the library's business. */
export function chosen<Options extends object>(command: CommandUnknownOpts): Partial<Options> {
  const all = Object.entries(command.opts() as object);
  return Object.fromEntries(all.filter(([name]) => command.getOptionValueSource(name) !== 'default')) as Partial<Options>;
}
