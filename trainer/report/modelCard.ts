import type { ModelDescription } from '../checkpoint/modelFolder.ts';

/** The model card of a language model, Markdown: what it is, what it read, how far it got. */
export function languageModelCard(description: ModelDescription, config: object): string {
  const { sizes, metrics = {} } = description;
  return `# Language model (${description.direction})

AWD-LSTM, ${sizes.layers} layers: embedding ${sizes.embedding}, hidden ${sizes.hidden}, vocabulary ${sizes.vocabulary}.
Tokenizer version ${description.tokenizerVersion}. Made ${description.created.slice(0, 10)} by ulmfit.

| measured | |
| --- | --- |
${Object.entries(metrics).map(([name, value]) => `| ${name} | ${figure(value)} |`).join('\n')}

Licence of the text it was trained on: ${description.dataLicence ?? 'not stated'}.

## Settings

\`\`\`json
${JSON.stringify(config, null, 2)}
\`\`\`
`;
}

/** A number as a person reads it: whole ones grouped, others with four digits after the point. */
export function figure(value: number): string {
  return Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(4);
}
