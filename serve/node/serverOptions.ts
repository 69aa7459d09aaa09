import type { DestinationStream } from 'pino';

import { UserError } from '../../text/errors.ts';
import type { LimitOptions } from '../limits.ts';
import { SHORTEST_SECRET } from '../stateToken.ts';
import type { LogLevel } from './log.ts';

/** Every limit has a default: see DEFAULT_LIMITS and DEFAULTS. */
export interface ServerOptions extends LimitOptions {
  /** Loopback only, unless told. */
  readonly host?: string | undefined;
  /** 0 takes any free port. */
  readonly port?: number | undefined;
  /** Threads that compute the graph calls of a model. One per processor core unless told. */
  readonly threads?: number | undefined;
  readonly maxBatch?: number | undefined;
  readonly maxQueue?: number | undefined;
  /** Requests that are read or answered at a time. */
  readonly maxConcurrency?: number | undefined;
  /** Requests a minute of each key, or of each address where there are no keys. No limit unless told. */
  readonly requestsPerMinute?: number | undefined;
  /** How long a client may take to send the head of a request, and the whole of it. */
  readonly headersMilliseconds?: number | undefined;
  readonly requestMilliseconds?: number | undefined;
  /** How long `stop` waits for what is in flight. */
  readonly drainMilliseconds?: number | undefined;
  /** Documents in pieces that are kept between their pieces, and how long each waits for the next one. 1,000, and 15 minutes, unless told. */
  readonly maxSessions?: number | undefined;
  readonly sessionIdleMilliseconds?: number | undefined;
  /** Signs the states that clients carry: the same for servers that take each other's, at least 16 characters. Random unless told. */
  readonly stateSecret?: string | undefined;
  /** A file of keys, without one of which nobody may ask. */
  readonly keysFile?: string | undefined;
  /** Below it lie the bundles that an admin may name as a new version. */
  readonly modelsRoot?: string | undefined;
  /** Whoever may ask may also have the models: as files, and to run them in the playground's browser. */
  readonly downloadable?: boolean | undefined;
  /** Web sites whose scripts may ask. None unless told. */
  readonly corsOrigins?: readonly string[] | undefined;
  /** Faults only, unless told. */
  readonly logLevel?: LogLevel | undefined;
  /** Standard error, unless told. */
  readonly logTo?: DestinationStream | undefined;
}

/** What `startServer` takes where it is told nothing. */
export const DEFAULTS = {
  host: '127.0.0.1',
  port: 8080,
  maxConcurrency: 256,
  headersMilliseconds: 10_000,
  requestMilliseconds: 60_000,
  drainMilliseconds: 30_000,
} as const;

/** After the drain time, how long the error answers to what is still in flight may take to leave. */
export const LAST_ANSWERS_MILLISECONDS = 1_000;

/** Timers count no further: a longer one would fire at once. */
const LONGEST_TIMER_MILLISECONDS = 2 ** 31 - 1;

/** Smallest and largest value of every option that is a number. */
const RANGES = {
  port: [0, 65_535],
  threads: [1, 1024],
  maxBatch: [1, 1024],
  maxQueue: [1, 1_000_000],
  maxConcurrency: [1, 1_000_000],
  requestsPerMinute: [1, 1_000_000_000],
  maxBodyBytes: [1, 2 ** 30],
  maxTexts: [1, 1_000_000],
  maxTextLength: [1, 2 ** 29],
  deadlineMilliseconds: [1, LONGEST_TIMER_MILLISECONDS],
  headersMilliseconds: [1, LONGEST_TIMER_MILLISECONDS],
  requestMilliseconds: [1, LONGEST_TIMER_MILLISECONDS],
  maxSessions: [1, 10_000_000],
  sessionIdleMilliseconds: [1, LONGEST_TIMER_MILLISECONDS],
  drainMilliseconds: [0, LONGEST_TIMER_MILLISECONDS - LAST_ANSWERS_MILLISECONDS],
} as const satisfies Partial<Record<keyof ServerOptions, readonly [number, number]>>;

/** @throws UserError for a number that makes no sense, an origin that is none, or a secret that is too short. */
export function requireOptions(options: ServerOptions): void {
  for (const [name, [smallest, largest]] of Object.entries(RANGES) as [keyof typeof RANGES, readonly [number, number]][]) {
    const value = options[name];
    if (value !== undefined && !(Number.isInteger(value) && value >= smallest && value <= largest)) {
      throw new UserError(`${name} is ${value}; it must be a whole number from ${smallest} to ${largest}.`);
    }
  }
  const { stateSecret } = options;
  if (stateSecret !== undefined && stateSecret.length < SHORTEST_SECRET) {
    throw new UserError(
      `The secret that signs states has ${stateSecret.length} characters (stateSecret, or the environment's ULMFIT_STATE_SECRET). ` +
        `Give it at least ${SHORTEST_SECRET}, or none to have a random one.`,
    );
  }
  for (const origin of options.corsOrigins ?? []) {
    if (origin !== '*' && URL.parse(origin)?.origin !== origin) {
      throw new UserError(`"${origin}" is no origin of web pages. Write it like https://shop.example, without a path, or * for all.`);
    }
  }
}
