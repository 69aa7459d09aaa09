import type { ModelDescription } from '../checkpoint/modelFolder.ts';
import type { ImportedFile, ImportSummary } from './importFastai.ts';

const TITLES = { languageModel: 'Language model', encoder: 'Language model', classifier: 'Text classifier' } as const;
const SOURCES = { languageModel: 'a language model', encoder: "a language model's encoder", classifier: 'a text classifier' } as const;

/** The model card of an imported model, Markdown: where it is from, its sizes, and what is different from fastai's. */
export function importCard(description: ModelDescription, summary: ImportSummary): string {
  const { sizes, direction, created, tokenizerVersion, labels } = description;
  return `# ${TITLES[summary.holds]} (${direction}), imported from fastai

AWD-LSTM, ${sizes.layers} layers: embedding ${sizes.embedding}, hidden ${sizes.hidden}, vocabulary ${sizes.vocabulary}.
Tokenizer version ${tokenizerVersion}. Imported ${created.slice(0, 10)} by ulmfit.
${labels === undefined ? '' : `\nAnswers with ${description.task === 'multiLabel' ? 'any' : 'one'} of ${labels.length} labels: ${labels.map((label) => `\`${label}\``).join(', ')}.\n`}
## Where it is from

The weights of ${SOURCES[summary.holds]} that fastai trained, and its vocabulary:

| file | SHA-256 |
| --- | --- |
${row(summary.weights)}
${row(summary.vocabulary)}

Licence of the text it was trained on: ${description.dataLicence ?? 'not stated'}.

## What to know

${[...summary.notes, TOKENIZER_NOTE].map((note) => `- ${note}`).join('\n')}
`;
}

const TOKENIZER_NOTE =
  "fastai split its texts with the spaCy of its day and with its own version's rules. A text may be split a little differently here, and a word that the model never saw in that form is unknown to it.";

function row({ name, sha256 }: ImportedFile): string {
  return `| ${name.replaceAll('|', '\\|')} | \`${sha256}\` |`;
}
