/**
 * The bundle's schema: what `bundle.json` may say, and the checks that need no file system.
 * Pure, so that a server and an edge worker read a bundle by the same rules. Files are read and written in bundleFolder.ts.
 *
 * A bundle holds one model or two: a pair reads every text in both directions and answers with the mean of its members'
 * answers. What the members share (task, labels, …) is said once; each has a graph, weights and a vocabulary of its own.
 */
import * as v from 'valibot';

import { UserError } from '../text/errors.ts';

/**
 * The version of the bundle format that this program writes. It reads version 2 too, which knew no precision but fp32.
 * In both the temperature is part of the graph: its logits are calibrated.
 */
export const BUNDLE_SCHEMA_VERSION = 3;
const READABLE_SCHEMA_VERSIONS = [2, BUNDLE_SCHEMA_VERSION] as const;

/** The version of the tokenizer rules whose ids the models of this format understand. */
const BUNDLE_TOKENIZER_VERSION = 1;

/** The name of the file that describes a bundle. */
export const BUNDLE_FILE = 'bundle.json';

/** The lowest float32: the running maximum of a document of which nothing has been read yet. */
export const LOWEST_FLOAT32 = -3.4028234663852886e38;

/** What a bundle answers a text with: the likeliest label, every label that applies, or a number. */
const TASKS = ['singleLabel', 'multiLabel', 'regression'] as const;
export type Task = (typeof TASKS)[number];

/** Which end of a text a member begins at: a backward one is fed the tokens from the last to the first. */
export const DIRECTIONS = ['forward', 'backward'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** How the weights are stored and computed with: float32; float16, but computed with in float32; or 8-bit integers. */
export const PRECISIONS = ['fp32', 'fp16', 'int8'] as const;
export type Precision = (typeof PRECISIONS)[number];

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const finite = v.pipe(v.number(), v.finite());
const figure = v.pipe(finite, v.minValue(0));
const checksum = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in 64 hexadecimal digits'));
/** Names and versions stand in addresses (`/v2/models/{name}/versions/{version}`), so they are kept to what an address can hold. */
const addressPart = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'expected up to 128 letters, digits, ".", "_" and "-", beginning with a letter or a digit'),
);
/** Files lie beside bundle.json; a path that leads elsewhere is never followed. */
const fileName = (pattern: RegExp, example: string) => v.pipe(v.string(), v.regex(pattern, `expected a file name like "${example}"`));
const isoTime = v.pipe(v.string(), v.isoTimestamp('expected a time like "2026-01-31T12:00:00.000Z"'));

const sizesSchema = v.strictObject({
  /** Tokens of the vocabulary, V. */
  vocabulary: count,
  /** Width of a token's vector, E. */
  embedding: count,
  /** Width of an LSTM layer, H; the last layer has the width E. */
  hidden: count,
  /** Number of LSTM layers. */
  layers: count,
});

const memberSchema = v.pipe(
  v.strictObject({
    direction: v.picklist(DIRECTIONS),
    sizes: sizesSchema,
    /** The most tokens that one run of the graph is meant to take. */
    chunkLength: count,
    /** For the record: what the logits are divided by (Guo et al. 2017), where that is not 1. The graph has done it already. */
    temperature: v.exactOptional(v.pipe(finite, v.gtValue(0))),
    graph: fileName(/^(forward|backward)\.onnx$/, 'forward.onnx'),
    shards: v.array(fileName(/^(forward|backward)-weights-\d{2,3}\.bin$/, 'forward-weights-00.bin')),
    /** Members that know the same words share one file. */
    vocabulary: fileName(/^((forward|backward)-)?vocabulary\.json$/, 'vocabulary.json'),
    /** What training measured, for example `{ accuracy: 0.94 }`. */
    metrics: v.exactOptional(v.record(v.string(), finite)),
  }),
  v.check(
    ({ direction, graph, shards, vocabulary }) =>
      [graph, ...shards, ...(vocabulary === 'vocabulary.json' ? [] : [vocabulary])].every((file) => file.startsWith(direction)),
    'the names of its files must begin with its direction',
  ),
);

/** One model of a bundle. */
export type BundleMember = v.InferOutput<typeof memberSchema>;

const documentCount = {
  /** How many documents the bundle and the trainer both answered. */
  documents: count,
  /** The largest difference between answers to a document alone and in a padded batch; in the same unit as the other one. */
  maxBatchDifference: v.exactOptional(figure),
};

const labelParitySchema = v.strictObject({
  ...documentCount,
  /** The largest difference of any label's probability in any of them. */
  maxProbabilityDifference: figure,
  /** Documents that get another label from the bundle than from the trainer; of several labels, any other. */
  labelDisagreements: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

const valueParitySchema = v.strictObject({
  ...documentCount,
  /** The largest difference of a value: as a share of the range, or without one of the value, where that is above 1. */
  maxRelativeDifference: figure,
});

const paritySchema = v.lazy((given) =>
  typeof given === 'object' && given !== null && 'maxRelativeDifference' in given ? valueParitySchema : labelParitySchema,
);

/** What `bundle.json` holds. Unknown entries are refused: a bundle says nothing that its reader does not understand. */
export const bundleSchema = v.pipe(
  v.strictObject({
    schemaVersion: v.picklist(READABLE_SCHEMA_VERSIONS),
    name: addressPart,
    version: addressPart,
    task: v.picklist(TASKS),
    /** The labels in the order of the logits; none for regression. */
    labels: v.array(v.string()),
    /** Regression between bounds: the value is low + (high − low) · sigmoid(logit). Without it the logit is the value. */
    range: v.exactOptional(v.strictTuple([finite, finite])),
    tokenizerVersion: v.literal(BUNDLE_TOKENIZER_VERSION),
    precision: v.picklist(PRECISIONS),
    /** One model, or a forward and after it a backward one, whose answers are averaged. */
    members: v.array(memberSchema),
    /** SHA-256 of every file that decides an answer, and of bundle.json itself (see {@link bundleChecksumText}). */
    checksums: v.record(v.string(), checksum),
    parity: paritySchema,
    /** Under what terms the training data may be used. */
    dataLicence: v.exactOptional(v.string()),
    created: isoTime,
    /** The program that wrote the bundle, for example "ulmfit 0.1.0". */
    producer: v.string(),
  }),
  v.check(({ schemaVersion, precision }) => schemaVersion > 2 || precision === 'fp32', 'precision: schema version 2 knows fp32 only'),
  v.check(
    ({ task, labels }) => (task === 'regression' ? labels.length === 0 : labels.length >= 2),
    'labels: expected none for regression, and at least two otherwise',
  ),
  v.check(({ labels }) => new Set(labels).size === labels.length, 'labels: every label may stand there once only'),
  v.check(({ task, range }) => range === undefined || task === 'regression', 'range: only a regression has one'),
  v.check(({ range }) => range === undefined || range[0] < range[1], 'range: the first number must be the smaller one'),
  v.check(
    ({ members }) => members.length === 1 || members.map(({ direction }) => direction).join() === DIRECTIONS.join(),
    'members: expected one, or the forward and after it the backward one',
  ),
  v.check(
    ({ task, parity }) => (task === 'regression') === 'maxRelativeDifference' in parity,
    'parity: expected the figures of the task: maxRelativeDifference for regression, maxProbabilityDifference otherwise',
  ),
  v.check(
    (bundle) => checkedFiles(bundle).every((file) => Object.hasOwn(bundle.checksums, file)),
    'checksums: expected one for bundle.json and for every file that it names',
  ),
);

/** A bundle's description, as `bundle.json` holds it. */
export type Bundle = v.InferOutput<typeof bundleSchema>;

/** The sizes of an AWD-LSTM. */
export type ModelSizes = BundleMember['sizes'];

/** The figures of the parity gate. */
export type ParityFigures = Bundle['parity'];

/**
 * Checks the content of a `bundle.json`.
 *
 * @throws UserError naming the entry that is wrong and what to do.
 * @example
 * import { readFile } from 'node:fs/promises';
 * const bundle = parseBundle(JSON.parse(await readFile('bundles/reviews/bundle.json', 'utf8')));
 * bundle.labels; // ['neg', 'pos']
 */
export function parseBundle(json: unknown): Bundle {
  refuseOtherVersions(json);
  const result = v.safeParse(bundleSchema, json);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => {
    const path = v.getDotPath(issue);
    return path === null ? issue.message : `${path}: ${issue.message}`;
  });
  throw new UserError(
    `${BUNDLE_FILE} is not a valid bundle description: ${problems.join('; ')}. Export the model again to get a new bundle.`,
  );
}

/**
 * Checks the name and version that somebody wants to give a bundle.
 *
 * @throws UserError where an address could not hold one of them.
 */
export function checkNameAndVersion(name: string, version: string): void {
  for (const [what, value] of Object.entries({ name, version })) {
    const result = v.safeParse(addressPart, value);
    if (!result.success) throw new UserError(`A bundle cannot have the ${what} "${value}": ${result.issues[0].message}.`);
  }
}

/** A bundle of another format version gets an answer of its own, rather than a list of entries that do not fit this one. */
function refuseOtherVersions(json: unknown): void {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new UserError(`${BUNDLE_FILE} does not hold a JSON object. Export the model again to get a new bundle.`);
  }
  const read = (key: string): unknown => (json as Readonly<Record<string, unknown>>)[key];
  const schemaVersion = read('schemaVersion');
  if (typeof schemaVersion === 'number' && !READABLE_SCHEMA_VERSIONS.some((version) => version === schemaVersion)) {
    const cure =
      schemaVersion > BUNDLE_SCHEMA_VERSION
        ? 'Use a newer ulmfit to serve it, or export the model again with this one.'
        : 'Export the model again with `ulmfit export`.';
    const readable = READABLE_SCHEMA_VERSIONS.join(' and ');
    throw new UserError(`The bundle has the schema version ${schemaVersion}; this program reads versions ${readable}. ${cure}`);
  }
  const tokenizerVersion = read('tokenizerVersion');
  if (typeof tokenizerVersion === 'number' && tokenizerVersion > BUNDLE_TOKENIZER_VERSION) {
    throw new UserError(
      `The bundle's model was trained with version ${tokenizerVersion} of the tokenizer; this program has version ${BUNDLE_TOKENIZER_VERSION}. ` +
        'Use a newer ulmfit to serve it.',
    );
  }
}

/** The hidden size of each LSTM layer: `hidden`, but the last one is as wide as the embedding (Merity et al. 2017, section 5). */
export function layerSizes(sizes: Pick<ModelSizes, 'embedding' | 'hidden' | 'layers'>): number[] {
  return Array.from({ length: sizes.layers }, (_, layer) => (layer === sizes.layers - 1 ? sizes.embedding : sizes.hidden));
}

/** How many logits every member's graph has for a text: one a label, or the one of a regression. */
export function outputCount({ task, labels }: { readonly task: Task; readonly labels: readonly string[] }): number {
  return task === 'regression' ? 1 : labels.length;
}

/** The files that have a checksum, each once: all but the model card, which a person may rewrite. */
export function checkedFiles({
  members,
}: {
  readonly members: readonly Pick<BundleMember, 'graph' | 'shards' | 'vocabulary'>[];
}): string[] {
  return [...new Set([BUNDLE_FILE, ...members.flatMap(({ graph, shards, vocabulary }) => [graph, ...shards, vocabulary])])];
}

/**
 * The text whose checksum is `checksums["bundle.json"]`: the whole description but for that one checksum, with sorted
 * keys and no spaces, so that only a change of content changes it.
 */
export function bundleChecksumText(bundle: Bundle): string {
  const { [BUNDLE_FILE]: _own, ...others } = bundle.checksums;
  return JSON.stringify({ ...bundle, checksums: others }, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : value,
  );
}

/**
 * Checks one file of a bundle against its checksum. `sha256` is the hexadecimal digest of the file's bytes,
 * or of {@link bundleChecksumText} for `bundle.json`.
 *
 * @throws UserError that names the file.
 */
export function verifyChecksum(bundle: Bundle, file: string, sha256: string): void {
  if (bundle.checksums[file] === sha256) return;
  const what =
    file === BUNDLE_FILE
      ? `${BUNDLE_FILE} was changed after the export`
      : bundle.members.some(({ vocabulary }) => vocabulary === file)
        ? `${file} is not the vocabulary that the model was exported with`
        : `${file} is damaged or belongs to another bundle`;
  throw new UserError(
    `${what}: its SHA-256 is ${sha256}, but ${bundle.checksums[file] ?? 'none'} is on record. Copy the bundle again or export the model again.`,
  );
}

/**
 * Reads the vocabulary of every member; a file that two of them share is read once, and they share the list.
 *
 * @param read gives a file's JSON value.
 * @throws UserError where a file does not hold as many tokens as its model has vectors.
 */
export async function readVocabularies(
  { members }: Pick<Bundle, 'members'>,
  read: (file: string) => Promise<unknown>,
): Promise<{ readonly member: BundleMember; readonly vocabulary: readonly string[] }[]> {
  const known = new Map<string, readonly string[]>();
  const vocabularies: { member: BundleMember; vocabulary: readonly string[] }[] = [];
  for (const member of members) {
    const vocabulary = known.get(member.vocabulary) ?? parseVocabulary(member.vocabulary, await read(member.vocabulary));
    requireSize(member, vocabulary);
    known.set(member.vocabulary, vocabulary);
    vocabularies.push({ member, vocabulary });
  }
  return vocabularies;
}

function parseVocabulary(file: string, json: unknown): readonly string[] {
  const result = v.safeParse(v.array(v.string()), json);
  if (result.success) return result.output;
  throw new UserError(`${file} is not a JSON array of tokens. Copy the bundle again or export the model again.`);
}

function requireSize({ vocabulary: file, sizes }: BundleMember, vocabulary: readonly string[]): void {
  if (vocabulary.length === sizes.vocabulary) return;
  throw new UserError(
    `${file} has ${vocabulary.length} tokens, but the model has ${sizes.vocabulary}. ` +
      'It is the vocabulary of another model; copy the bundle again or export the model again.',
  );
}

/** The SHA-256 of bytes or text in hexadecimal digits, by Web Crypto, which Node and edge runtimes both have. */
export async function sha256Hex(content: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return hexadecimal(await crypto.subtle.digest('SHA-256', bytes));
}

/** Bytes in hexadecimal digits. */
export function hexadecimal(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
