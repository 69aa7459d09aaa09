import type { Bundle } from './bundle.ts';

/** What the card of a trained model says besides the bundle's own description. */
export interface ModelCardNotes {
  /** Anything that whoever trained the model wants its users to know; Markdown. */
  readonly description?: string;
}

/** The model card of a bundle: what it is, what it answers, how well, and how to use it. Markdown. */
export function modelCard(bundle: Omit<Bundle, 'checksums'>, notes: ModelCardNotes = {}): string {
  const { sizes, parity } = bundle;
  const sections = [
    `# ${bundle.name} ${bundle.version}`,
    `A ULMFiT text classifier (Howard & Ruder 2018, https://arxiv.org/abs/1801.06146), exported by ${bundle.producer} on ${bundle.created.slice(0, 10)}.`,
    ...(notes.description === undefined ? [] : [notes.description]),
    '## Labels',
    `A text gets one of ${bundle.labels.length} labels:`,
    bundle.labels.map((label) => `- ${code(label)}`).join('\n'),
    '## Use',
    '```sh\nulmfit serve path/to/this/folder\n```',
    'A text of any length is read to its end, in chunks of at most ' + `${bundle.chunkLength} tokens.`,
    '## Model',
    table([
      ['vocabulary', `${sizes.vocabulary} tokens`],
      ['embedding', `${sizes.embedding}`],
      ['LSTM layers', `${sizes.layers}, ${sizes.hidden} wide, the last one ${sizes.embedding}`],
      ['reading direction', bundle.direction],
      ['precision', bundle.precision],
    ]),
    '## Figures',
    table([
      ...Object.entries(bundle.metrics ?? {}).map(([name, value]): [string, string] => [name, String(value)]),
      ['documents on which graph and trainer were compared', String(parity.documents)],
      ['largest difference of a probability', parity.maxProbabilityDifference.toExponential(1)],
      ['documents with another label', String(parity.labelDisagreements)],
    ]),
    ...(bundle.metrics === undefined ? ['The bundle records no figures of its training.'] : []),
    '## Licence of the training data',
    bundle.dataLicence ?? 'Not stated. Ask whoever trained the model before passing it on.',
    '## Files',
    [
      '- `bundle.json`: the description that programs read, with a checksum of every file but this one',
      `- \`${bundle.graph}\`: the ONNX graph of one chunk step; its inputs and outputs carry descriptions`,
      `- ${bundle.shards.map(code).join(', ')}: the weights, as ONNX external data`,
      `- \`${bundle.vocabulary}\`: the tokens in the order of their ids`,
    ].join('\n'),
  ];
  return `${sections.join('\n\n')}\n`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  return ['| | |', '| --- | --- |', ...rows.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');
}

/** Text in a code span, whatever characters it has (CommonMark 6.1: a longer fence than any inside). */
function code(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return longest === 0 ? `${fence}${text}${fence}` : `${fence} ${text} ${fence}`;
}
