import * as v from 'valibot';

import { keysFileSchema, type StoredKey } from '../../serve/apiKeys.ts';
import type { PartMessage } from './jobs/job.ts';
import type { SessionMethods } from './sessionObject.ts';

/** What the deployment binds. All but the bundle is there only where it was asked for: see `ulmfit deploy --help`. */
export interface Env {
  /** The bundle's files. */
  readonly ASSETS: Fetcher;
  /** Which deployed version this is. */
  readonly VERSION?: VersionMetadata;
  /** A secret: who may ask, in the format of a file of keys, which holds hashes alone. Everybody, where there is none. */
  readonly API_KEYS?: string;
  /** A secret: signs the states that clients carry. */
  readonly STATE_SECRET?: string;
  /** Counts the requests of a key, or of an address. */
  readonly RATE_LIMITER?: RateLimit;
  /** The most requests a minute that the counter lets through, for messages. */
  readonly REQUESTS_PER_MINUTE?: number;
  /** Where documents that arrive in pieces are kept. */
  readonly SESSIONS?: DurableObjectNamespace<SessionMethods>;
  /** Where jobs are kept, and where their parts wait. */
  readonly JOBS?: R2Bucket;
  readonly JOB_PARTS?: Queue<PartMessage>;
}

/**
 * The keys of a secret.
 *
 * @throws Error for a secret that is not what `ulmfit deploy` stores: better nobody may ask than everybody.
 */
export function parseKeys(secret: string): readonly StoredKey[] {
  try {
    return v.parse(keysFileSchema, JSON.parse(secret)).keys;
  } catch {
    // What the parsers say would repeat the secret.
    throw new Error('The secret API_KEYS is not a file of keys. Deploy again with --keys.');
  }
}
