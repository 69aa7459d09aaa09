/** The description of the HTTP interface in OpenAPI 3.1, made from the schemas that check the requests. */
import { toJsonSchema, type JsonSchema } from '@valibot/to-json-schema';

import type { Task } from '../../export/bundle.ts';
import { explainedLabelSchema, explainedTextSchema } from '../explainSchema.ts';
import { datumSchema } from '../inferenceSchema.ts';
import type { Limits } from '../limits.ts';
import { pieceTextSchema, streamedTextSchema } from '../pieceSchema.ts';
import { answerParametersSchema, inputsSchema, scoreFunctionSchema, scoreFunctionsOfAll } from '../schema.ts';
import { VERSION } from '../version.ts';
import { INFERENCE_HEALTH_PATHS, INFERENCE_PATHS } from './inferencePaths.ts';
import { type FurtherRoutes, guarded, inPath, type Paths, SCHEMAS } from './parts.ts';
import { ADMIN_PATHS, METRICS_PATHS, MODEL_PATHS, playgroundPaths, SERVER_PATHS, SESSION_PATHS } from './paths.ts';

/** What a server has or has not. */
export interface DescribedParts {
  /** Requests need a key. */
  readonly keys: boolean;
  /** Models can be exchanged over HTTP. */
  readonly admin: boolean;
  readonly metrics: boolean;
  readonly playground: boolean;
  /** Documents that arrive in pieces are kept here. */
  readonly sessions: boolean;
  /** The files of models can be had. */
  readonly downloadable: boolean;
}

/** What the description depends on. */
export interface Described {
  readonly parts: DescribedParts;
  /** What this server has beyond that. */
  readonly further?: readonly Pick<FurtherRoutes, 'paths' | 'schemas'>[] | undefined;
  /** Names of models and versions that can stand in an address. */
  readonly names: readonly string[];
  readonly versions: readonly string[];
  /** The tasks of the models that are served, and their labels. */
  readonly tasks: readonly Task[];
  readonly labels: readonly string[];
  /** Names of files of models. */
  readonly files: readonly string[];
  readonly limits: Pick<Limits, 'maxTexts' | 'maxTextLength'>;
  /** Documents that can be in flight at a time: the fewest of any model. */
  readonly maxQueue: number;
}

/**
 * The description of what is served now.
 *
 * @example
 * const parts = { keys: false, admin: false, metrics: false, playground: false, sessions: true, downloadable: false };
 * const served = { names: ['reviews'], versions: ['1'], tasks: ['singleLabel'], labels: ['neg', 'pos'], files: [] } as const;
 * openApiDocument({ parts, ...served, limits: DEFAULT_LIMITS, maxQueue: 256 }).openapi; // '3.1.0'
 */
export function openApiDocument(described: Described) {
  const { names, versions, tasks, files, parts, further = [] } = described;
  const functions = tasks.every((task) => task === 'regression') ? [] : scoreFunctionsOfAll(tasks);
  const schemas: Record<string, object> = Object.fromEntries(
    Object.entries(Object.assign({}, SCHEMAS, ...further.map((more) => more.schemas)) as typeof SCHEMAS).map(([name, schema]) => {
      const {
        $schema: _dialect,
        $defs: _unused,
        ...rest
      } = toJsonSchema(schema, {
        typeMode: 'input',
        errorMode: 'ignore',
        overrideSchema: ({ valibotSchema }) => written(valibotSchema, described),
      });
      return [name, rest];
    }),
  );
  return {
    openapi: '3.1.0',
    info: {
      title: 'ulmfit',
      version: VERSION,
      description: 'Text classification: whole documents, documents that arrive in pieces, and the Open Inference Protocol.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: pathsOf(
      parts,
      further.map(({ paths }) => paths),
    ),
    components: {
      schemas,
      parameters: {
        name: inPath('name', 'The name of a model.', oneOf(names)),
        version: inPath('version', 'A version of the model.', oneOf(versions)),
        file: inPath('file', 'The name of a file of the version.', files.length === 0 ? { type: 'string' } : oneOf(files)),
        top_k: inQuery(
          'top_k',
          'How many labels to answer with, best first.',
          functions.length === 0 ? NOTHING : { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
        ),
        function_to_apply: inQuery('function_to_apply', 'How scores are made from logits.', oneOf(functions)),
      },
      ...(parts.keys && {
        securitySchemes: {
          key: {
            type: 'http',
            scheme: 'bearer',
            description: 'A key that "ulmfit keys add" made. Models are exchanged with an admin key.',
          },
        },
      }),
    },
  };
}

/** Every address that such a server has. */
function pathsOf({ keys, admin, metrics, playground, sessions, downloadable }: DescribedParts, further: readonly Paths[]): Paths {
  const [behindGuards, open] = partition(further);
  return {
    ...SERVER_PATHS,
    ...(metrics && METRICS_PATHS),
    ...(playground && playgroundPaths(downloadable)),
    ...open,
    ...guarded({ ...MODEL_PATHS, ...(sessions && SESSION_PATHS), ...(admin && ADMIN_PATHS), ...behindGuards }, 'Error', keys),
    ...INFERENCE_HEALTH_PATHS,
    ...guarded(INFERENCE_PATHS, 'InferenceError', keys),
  };
}

/** Splits further addresses into those below `/v1/`, which are guarded, and the others. */
function partition(further: readonly Paths[]): [Paths, Paths] {
  const entries = further.flatMap((paths) => Object.entries(paths));
  const isGuarded = ([path]: readonly [string, unknown]) => path.startsWith('/v1/');
  return [Object.fromEntries(entries.filter(isGuarded)), Object.fromEntries(entries.filter((entry) => !isGuarded(entry)))];
}

const inQuery = (name: string, description: string, schema: object) => ({ name, in: 'query', description, schema });

/** Allows no value: for what has no meaning where every model answers with a number. */
const NOTHING: JsonSchema = { not: {} };

const oneOf = (values: readonly string[]): JsonSchema => (values.length === 0 ? NOTHING : { enum: [...new Set(values)] });

/** What valibot's schema does not say, because its check is made elsewhere and has an error of its own. */
function written(schema: unknown, { tasks, labels, limits, maxQueue }: Described): JsonSchema | undefined {
  const piece: JsonSchema = { type: 'string', maxLength: limits.maxTextLength };
  // With a character that is no white space, as Python and ECMAScript agree on it.
  const text: JsonSchema = { ...piece, pattern: '[^\\s\\u001c-\\u001f\\u0085\\ufeff]' };
  if (schema === inputsSchema) {
    const texts: JsonSchema = { type: 'array', items: text, minItems: 1, maxItems: Math.min(limits.maxTexts, maxQueue) };
    return { anyOf: [text, texts] };
  }
  if (schema === streamedTextSchema || schema === explainedTextSchema) return text;
  if (schema === pieceTextSchema) return piece;
  if (schema === explainedLabelSchema) return oneOf(labels);
  if (schema === answerParametersSchema && tasks.every((task) => task === 'regression'))
    return { type: 'object', additionalProperties: false };
  if (schema === scoreFunctionSchema) return oneOf(scoreFunctionsOfAll(tasks));
  if (schema === datumSchema) return { anyOf: [text, { type: 'array', items: text, minItems: 1, maxItems: 1 }] };
  return undefined;
}
