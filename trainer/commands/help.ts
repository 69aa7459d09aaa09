/**
 * The examples at the end of a command's help.
 *
 * @param lines a command line, and what it does
 */
export function examples(lines: readonly (readonly [command: string, does: string])[]): string {
  return `\nExamples:\n${lines.map(([command, does]) => `  # ${does}\n  ${command}`).join('\n')}`;
}

/** What may be given as labelled data, for the commands that read it. */
export const DATA_HELP = `
Data: a table (.csv, .tsv, .parquet), JSON Lines (.jsonl), or a folder of folders
named by label. Text files may be compressed (.gz, .br, .zst).`;

/** What may be given as a corpus. */
export const CORPUS_HELP = `
Corpus: a text file (.txt; WikiText's .tokens and .raw), a table (.csv, .tsv,
.parquet), JSON Lines (.jsonl), or a folder of such files. Text files may be
compressed (.gz, .br, .zst).`;
