/**
 * The bundle's schema: what `bundle.json` may say, and the checks that need no file system.
 * Pure, so that a server and an edge worker read a bundle by the same rules. Files are read and written in bundleFolder.ts.
 */
import * as v from 'valibot';

import { UserError } from '../text/errors.ts';

/** The version of the bundle format that this program writes, and the only one it reads. */
export const BUNDLE_SCHEMA_VERSION = 1;

/** The version of the tokenizer rules whose ids the models of this format understand. */
const BUNDLE_TOKENIZER_VERSION = 1;

/** The name of the file that describes a bundle. */
export const BUNDLE_FILE = 'bundle.json';

/** The lowest float32: the running maximum of a document of which nothing has been read yet. */
export const LOWEST_FLOAT32 = -3.4028234663852886e38;

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const figure = v.pipe(v.number(), v.finite(), v.minValue(0));
const checksum = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in 64 hexadecimal digits'));
/** Names and versions stand in addresses (`/v2/models/{name}/versions/{version}`), so they are kept to what an address can hold. */
const addressPart = v.pipe(
  v.string(),
  v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'expected up to 128 letters, digits, ".", "_" and "-", beginning with a letter or a digit'),
);
/** Files lie beside bundle.json; a path that leads elsewhere is never followed. */
const shardName = v.pipe(v.string(), v.regex(/^weights-\d{2,3}\.bin$/, 'expected a file name like "weights-00.bin"'));
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

const paritySchema = v.strictObject({
  /** How many documents the graph and the trainer both answered. */
  documents: count,
  /** The largest difference of any class's probability in any of them. */
  maxProbabilityDifference: figure,
  /** Documents for which graph and trainer put another class first. */
  labelDisagreements: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

/** What `bundle.json` holds. Unknown entries are refused: a bundle says nothing that its reader does not understand. */
export const bundleSchema = v.pipe(
  v.strictObject({
    schemaVersion: v.literal(BUNDLE_SCHEMA_VERSION),
    name: addressPart,
    version: addressPart,
    task: v.literal('singleLabel'),
    /** The classes in the order of the logits. */
    labels: v.pipe(v.array(v.string()), v.minLength(2)),
    tokenizerVersion: v.literal(BUNDLE_TOKENIZER_VERSION),
    direction: v.literal('forward'),
    sizes: sizesSchema,
    /** The most tokens that one run of the graph is meant to take. */
    chunkLength: count,
    precision: v.literal('fp32'),
    graph: v.literal('model.onnx'),
    shards: v.array(shardName),
    vocabulary: v.literal('vocabulary.json'),
    /** SHA-256 of every file that decides an answer, and of bundle.json itself (see {@link bundleChecksumText}). */
    checksums: v.record(v.string(), checksum),
    parity: paritySchema,
    /** What training measured, for example `{ accuracy: 0.94 }`. */
    metrics: v.exactOptional(v.record(v.string(), v.pipe(v.number(), v.finite()))),
    /** Under what terms the training data may be used. */
    dataLicence: v.exactOptional(v.string()),
    created: isoTime,
    /** The program that wrote the bundle, for example "ulmfit 0.1.0". */
    producer: v.string(),
  }),
  v.check((bundle) => new Set(bundle.labels).size === bundle.labels.length, 'labels: every label may stand there once only'),
  v.check(
    (bundle) => checkedFiles(bundle).every((file) => Object.hasOwn(bundle.checksums, file)),
    'checksums: expected one for bundle.json and for every file that it names',
  ),
);

/** A bundle's description, as `bundle.json` holds it. */
export type Bundle = v.InferOutput<typeof bundleSchema>;

/** The sizes of an AWD-LSTM. */
export type ModelSizes = Bundle['sizes'];

/** The figures of the parity gate. */
export type ParityFigures = Bundle['parity'];

/**
 * Checks the content of a `bundle.json`.
 *
 * @throws UserError naming the entry that is wrong and what to do.
 * @example
 * const bundle = parseBundle(await response.json());
 * bundle.labels; // ['negative', 'positive']
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
  if (typeof schemaVersion === 'number' && schemaVersion > BUNDLE_SCHEMA_VERSION) {
    throw new UserError(
      `The bundle has the schema version ${schemaVersion}; this program reads version ${BUNDLE_SCHEMA_VERSION}. ` +
        'Use a newer ulmfit to serve it, or export the model again with this one.',
    );
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

/** The files that have a checksum: all but the model card, which a person may rewrite. */
export function checkedFiles(bundle: {
  readonly graph: string;
  readonly shards: readonly string[];
  readonly vocabulary: string;
}): string[] {
  return [BUNDLE_FILE, bundle.graph, ...bundle.shards, bundle.vocabulary];
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
      : file === bundle.vocabulary
        ? `${file} is not the vocabulary that the model was exported with`
        : `${file} is damaged or belongs to another bundle`;
  throw new UserError(
    `${what}: its SHA-256 is ${sha256}, but ${bundle.checksums[file] ?? 'none'} is on record. Copy the bundle again or export the model again.`,
  );
}

/**
 * Checks the content of a `vocabulary.json` against the bundle's sizes.
 *
 * @throws UserError where it is not a list of as many tokens as the model has vectors.
 */
export function parseVocabulary(bundle: Bundle, json: unknown): string[] {
  const result = v.safeParse(v.array(v.string()), json);
  if (!result.success)
    throw new UserError(`${bundle.vocabulary} is not a JSON array of tokens. Copy the bundle again or export the model again.`);
  if (result.output.length !== bundle.sizes.vocabulary) {
    throw new UserError(
      `${bundle.vocabulary} has ${result.output.length} tokens, but the model has ${bundle.sizes.vocabulary}. ` +
        'It is the vocabulary of another model; copy the bundle again or export the model again.',
    );
  }
  return result.output;
}

/** The SHA-256 of bytes or text in hexadecimal digits, by Web Crypto, which Node and edge runtimes both have. */
export async function sha256Hex(content: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
