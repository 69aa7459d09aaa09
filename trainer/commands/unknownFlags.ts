import type { CommandUnknownOpts } from '@commander-js/extra-typings';

/**
 * Lets commander complain about a mistyped flag before it complains about a required one: in `train data --form model` the mistake is
 * the first, and commander has a suggestion for it. A hook for `preSubcommand`.
 */
export function reportUnknownFlagFirst(program: CommandUnknownOpts, command: CommandUnknownOpts): void {
  if (!hasUnknownFlag(program.args.slice(1), command)) return;
  for (const option of command.options) option.makeOptionMandatory(false);
}

/** @param args what stands after the command's name */
function hasUnknownFlag(args: readonly string[], command: CommandUnknownOpts): boolean {
  for (let index = 0; index < args.length && args[index] !== '--'; index++) {
    const [flag, value] = splitFlag(args[index] ?? '');
    if (!flag.startsWith('--') || flag === '--help') continue;
    const option = command.options.find(({ long }) => long === flag);
    if (option === undefined) return true;
    if (option.required && value === undefined) index++; // the next one is its value
  }
  return false;
}

function splitFlag(arg: string): [flag: string, value: string | undefined] {
  const at = arg.indexOf('=');
  return at === -1 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}
