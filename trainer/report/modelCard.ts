import type { ModelDescription } from '../checkpoint/modelFolder.ts';

/** The model card of a language model, Markdown: what it is, what it read, how far it got. */
export function languageModelCard(description: ModelDescription, config: object): string {
  const { sizes } = description;
  return `# Language model (${description.direction})

AWD-LSTM, ${sizes.layers} layers: embedding ${sizes.embedding}, hidden ${sizes.hidden}, vocabulary ${sizes.vocabulary}.
Tokenizer version ${description.tokenizerVersion}. Made ${description.created.slice(0, 10)} by ulmfit.

${figuresTable(description)}

Licence of the text it was trained on: ${description.dataLicence ?? 'not stated'}.

## Settings

${settingsBlock(config)}
`;
}

/** A number as a person reads it: whole ones grouped, others with four digits after the point. */
export function figure(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(4);
}

/** The model card of a classifier, Markdown. */
export function classifierCard(description: ModelDescription, config: object): string {
  const { sizes } = description;
  return `# Text classifier

Answers with ${answersOf(description)}.

AWD-LSTM encoder (${description.direction}), ${sizes.layers} layers: embedding ${sizes.embedding}, hidden ${sizes.hidden}, vocabulary ${sizes.vocabulary};
concat pooling over the whole document. Tokenizer version ${description.tokenizerVersion}. Made ${description.created.slice(0, 10)} by ulmfit.

${figuresTable(description)}

## Settings

${settingsBlock(config)}
`;
}

function answersOf({ task, labels = [], range }: ModelDescription): string {
  if (task === 'regression') return range === undefined ? 'a number' : `a number between ${range[0]} and ${range[1]}`;
  const names = `${labels.length} labels: ${labels.map((label) => `\`${label}\``).join(', ')}`;
  return task === 'multiLabel' ? `any of ${names}` : `one of ${names}`;
}

function figuresTable({ metrics = {} }: ModelDescription): string {
  const rows = Object.entries(metrics).map(([name, value]) => `| ${name} | ${figure(value)} |`);
  return ['| measured | |', '| --- | --- |', ...rows].join('\n');
}

function settingsBlock(config: object): string {
  return `\`\`\`json\n${JSON.stringify(config, null, 2)}\n\`\`\``;
}
