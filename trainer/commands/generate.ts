import { once } from 'node:events';

import { isPair } from '../checkpoint/modelFolder.ts';
import { locateModel } from '../shippedModels.ts';
import { generate, generateText, joinPrompt, unknownWords, type GenerateOptions } from '../recipe/generate.ts';
import { TrainedLanguageModel } from '../recipe/trainedLanguageModel.ts';
import { printJson, printLine } from '../report/results.ts';
import type { ComputationOptions } from './options.ts';

/** Options of `ulmfit generate`. */
export interface GenerateCommandOptions extends ComputationOptions {
  readonly prompt: string;
  readonly words: number;
  readonly temperature: number;
  readonly topK?: number | undefined;
  readonly topP?: number | undefined;
  /** Texts to write. */
  readonly count: number;
  readonly unknown?: boolean | undefined;
  readonly seed: number;
  readonly json?: boolean | undefined;
}

/**
 * `ulmfit generate`: text from a language model. Words are printed as they are drawn; texts are a blank line apart. With `--json` one
 * object `{"text", "tokens", "ending"}` a text.
 *
 * @throws UserError where the folder holds no language model
 */
export async function generateTexts(folder: string, { count, json, ...options }: GenerateCommandOptions): Promise<void> {
  const model = await TrainedLanguageModel.open(folder);
  const { direction } = model.model.description;
  const isStreamed = json !== true && direction === 'forward';
  for (const note of await notes(folder, model, options.prompt)) console.error(note);
  for (let index = 0; index < count; index++) {
    if (index > 0 && !json) await printLine('');
    if (isStreamed) {
      await stream(model, { ...options, index });
      continue;
    }
    const generated = generateText(model, { ...options, index });
    if (json) await printJson(generated);
    else await printLine(generated.text);
  }
  model.dispose();
}

/** What must be known to read the texts. */
async function notes(folder: string, { model }: TrainedLanguageModel, prompt: string): Promise<string[]> {
  const strangers = unknownWords(prompt, model.vocabulary);
  const lines: string[] = [];
  if (await isPair(await locateModel(folder)))
    lines.push(`${folder} holds two models; the forward one writes. Name ${folder}/backward for the other.`);
  if (model.description.direction === 'backward')
    lines.push('This model writes from the end of a text to its beginning: the prompt is how the text ends.');
  if (strangers.length > 0) lines.push(`The model does not know ${strangers.join(', ')}, and reads xxunk instead.`);
  return lines;
}

/** Prints a text as it grows. What is readable of fewer tokens is always how the readable text of more begins. */
async function stream(model: TrainedLanguageModel, options: GenerateOptions & { readonly prompt: string }): Promise<void> {
  const { prompt } = options;
  const tokens: string[] = [];
  let printed = prompt.trimEnd();
  await print(printed);
  for (const token of generate(model, options)) {
    tokens.push(token);
    const text = joinPrompt(prompt, tokens, 'forward');
    await print(text.slice(printed.length));
    printed = text;
  }
  await print('\n');
}

/** Writes a piece of text to standard output, and waits while the reader cannot take more. */
async function print(text: string): Promise<void> {
  if (text !== '' && !process.stdout.write(text)) await once(process.stdout, 'drain');
}
