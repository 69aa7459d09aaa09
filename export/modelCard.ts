import type { Bundle, BundleMember, ParityFigures, Precision } from './bundle.ts';
import { MOST_OTHER_LABELS, TOLERANCES } from './tolerances.ts';

/** What the card of a trained model says besides the bundle's own description. */
export interface ModelCardNotes {
  /** Anything that whoever trained the model wants its users to know; Markdown. */
  readonly description?: string;
}

/** The model card of a bundle: what it is, what it answers, how well, and how to use it. Markdown. */
export function modelCard(bundle: Omit<Bundle, 'checksums'>, notes: ModelCardNotes = {}): string {
  const { members, parity } = bundle;
  const [member] = members;
  const kind = bundle.task === 'regression' ? 'regression model for texts' : 'text classifier';
  const sections = [
    `# ${bundle.name} ${bundle.version}`,
    `A ULMFiT ${kind} (Howard & Ruder 2018, https://arxiv.org/abs/1801.06146), exported by ${bundle.producer} on ${bundle.created.slice(0, 10)}.`,
    ...(notes.description === undefined ? [] : [notes.description]),
    ...answers(bundle),
    '## Use',
    '```sh\nulmfit serve path/to/this/folder\n```',
    `A text of any length is read to its end, in chunks of at most ${member?.chunkLength} tokens. ${reading(members)}`,
    '## Model',
    table(members, [
      ['vocabulary', ({ sizes }) => `${sizes.vocabulary} tokens`],
      ['embedding', ({ sizes }) => `${sizes.embedding}`],
      ['LSTM layers', ({ sizes }) => `${sizes.layers}, ${sizes.hidden} wide, the last one ${sizes.embedding}`],
      ['temperature', ({ temperature = 1 }) => `${temperature}`],
      ['precision', () => PRECISION_WORDS[bundle.precision]],
    ]),
    '## Figures',
    'Graph and trainer compared:',
    list(parityLines(parity, bundle.precision)),
    ...training(members),
    '## Licence of the training data',
    bundle.dataLicence ?? 'Not stated. Ask whoever trained the model before passing it on.',
    '## Files',
    list([
      '`bundle.json`: the description that programs read, with a checksum of every file but this one',
      ...members.flatMap(({ graph, shards }) => [
        `${code(graph)}: the ONNX graph of one chunk step; its inputs and outputs carry descriptions`,
        ...(shards.length === 0 ? [] : [`${shards.map(code).join(', ')}: its weights, as ONNX external data`]),
      ]),
      ...[...new Set(members.map(({ vocabulary }) => vocabulary))].map((file) => `${code(file)}: the tokens in the order of their ids`),
      '`parity.json`, where it is there: some of the held-out documents with the answers of the trainer, which `ulmfit deploy` asks for ' +
        'where the bundle shall run. Delete it before you pass the bundle on if these texts are not for others; serving does not need it',
    ]),
  ];
  return `${sections.join('\n\n')}\n`;
}

const PRECISION_WORDS: Readonly<Record<Precision, string>> = {
  fp32: 'fp32: weights and products in 32 bits',
  fp16: 'fp16: weights stored in 16 bits, products in 32',
  int8: "int8: embedding and the LSTM layers' products in 8 bits, the rest in 32",
};

/** What a text gets. */
function answers({ task, labels, range }: Pick<Bundle, 'task' | 'labels' | 'range'>): string[] {
  if (task === 'regression')
    return ['## Answer', `A text gets a number${range === undefined ? '' : ` between ${range[0]} and ${range[1]}`}.`];
  const sentence =
    task === 'singleLabel'
      ? `A text gets one of ${labels.length} labels:`
      : `A text gets any number of ${labels.length} labels, each where its probability is at least 0.5:`;
  return ['## Labels', sentence, list(labels.map(code))];
}

function reading(members: readonly BundleMember[]): string {
  if (members.length > 1)
    return "One model reads it from its beginning, the other from its end; the answer is the mean of both models' answers.";
  return members[0]?.direction === 'backward' ? 'It is read from its end to its beginning.' : 'It is read from its beginning to its end.';
}

function parityLines(parity: ParityFigures, precision: Precision): string[] {
  const documents = `${parity.documents} documents`;
  const { maxBatchDifference } = parity;
  const accepted = `(at most ${TOLERANCES[precision]} is accepted)`;
  const beside =
    maxBatchDifference === undefined
      ? []
      : [`largest difference that documents beside it make to an answer: ${exponential(maxBatchDifference)}`];
  if ('maxRelativeDifference' in parity) {
    return [
      documents,
      `largest difference of a value, as a share of the range or of the value: ${exponential(parity.maxRelativeDifference)} ${accepted}`,
      ...beside,
    ];
  }
  return [
    documents,
    `largest difference of a probability: ${exponential(parity.maxProbabilityDifference)} ${accepted}`,
    `documents with other labels: ${parity.labelDisagreements} (at most ${100 * MOST_OTHER_LABELS} % are accepted)`,
    ...beside,
  ];
}

function exponential(value: number): string {
  return value.toExponential(1);
}

/** What training measured of each member. */
function training(members: readonly BundleMember[]): string[] {
  const names = [...new Set(members.flatMap(({ metrics = {} }) => Object.keys(metrics)))];
  if (names.length === 0) return ['The bundle records no figures of its training.'];
  return [
    'Measured in training:',
    table(
      members,
      names.map((name) => [name, ({ metrics = {} }) => `${metrics[name] ?? ''}`]),
    ),
  ];
}

/** A row for each fact, a column for each member. */
function table(members: readonly BundleMember[], rows: readonly (readonly [string, (member: BundleMember) => string])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(['', ...members.map(({ direction }) => direction)]),
    line(['---', ...members.map(() => '---')]),
    ...rows.map(([name, cell]) => line([name, ...members.map(cell)])),
  ].join('\n');
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item}`).join('\n');
}

/** Text in a code span, whatever characters it has (CommonMark 6.1: a longer fence than any inside). */
function code(text: string): string {
  const longest = Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return longest === 0 ? `${fence}${text}${fence}` : `${fence} ${text} ${fence}`;
}
