import type { PartialDocument } from './partialDocument.ts';

/** A document that arrives in pieces, and what was answered last. A plain value: every store that can clone it can keep it. */
export interface Session {
  readonly document: PartialDocument;
  /** Changes with every piece: whoever replaces a session says which one it has seen. */
  readonly revision: number;
  /** The number of the last piece, from 1; 0 before the first. */
  readonly sequence: number;
  /** SHA-256 of the last piece, so that a repetition can be told from another piece. */
  readonly pieceHash?: string;
  /** The logits for all text so far, of each model; none while there is only white space. */
  readonly logits?: readonly Float32Array[];
  /** Tokens in the text so far. */
  readonly tokens: number;
}

/** A session in a store. */
export interface StoredSession {
  readonly session: Session;
  /** When it is forgotten, in milliseconds since 1970, unless a piece comes before. */
  readonly expires: number;
}

/**
 * Where sessions are kept. Every change is one step that either happens or does not, whoever else uses the store: so the pieces
 * of a session have an order without any lock.
 */
export interface SessionStore {
  /** True of what only stands in the place of a store, and refuses everything. */
  readonly isMissing?: boolean;
  /** @returns undefined when there is none, or its time is over */
  get(id: string): Promise<StoredSession | undefined>;
  /**
   * Keeps a session under an id, in place of any that is there.
   *
   * @throws SessionsFullError when there is no room for another one
   */
  create(id: string, session: Session): Promise<StoredSession>;
  /**
   * Puts a session in the place of the one that has the revision, and begins its time anew.
   *
   * @returns undefined when that one is not there any more
   */
  replace(id: string, session: Session, revision: number): Promise<StoredSession | undefined>;
  /** @returns whether it was there */
  delete(id: string): Promise<boolean>;
}

/** The store keeps as many sessions as it may. */
export class SessionsFullError extends Error {
  override readonly name = 'SessionsFullError';
  readonly retryAfterSeconds: number;

  constructor(maxSessions: number, retryAfterSeconds: number) {
    super(`As many sessions are open as are kept, ${maxSessions}. End one that is finished, or try again in ${retryAfterSeconds} s.`);
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** How many sessions, and for how long. */
export interface MemorySessionStoreOptions {
  /** A session costs one state (25 kB with the paper's model) and the text held back. 1,000 unless told. */
  readonly maxSessions?: number | undefined;
  /** How long a session waits for its next piece. 15 minutes unless told. */
  readonly idleMilliseconds?: number | undefined;
  /** Milliseconds since 1970; the clock's unless told. */
  readonly now?: (() => number) | undefined;
}

/** The limits unless told otherwise. */
export const DEFAULT_SESSION_LIMITS = { maxSessions: 1_000, idleMilliseconds: 15 * 60_000 } as const;

/**
 * Sessions in this process's memory.
 *
 * @example
 * const app = createApp({ models, sessions: new MemorySessionStore({ maxSessions: 100 }) });
 */
export class MemorySessionStore implements SessionStore {
  readonly #maxSessions: number;
  readonly #idleMilliseconds: number;
  readonly #now: () => number;
  /** In the order in which they expire, since all wait equally long. */
  readonly #sessions = new Map<string, StoredSession>();

  constructor(options: MemorySessionStoreOptions = {}) {
    this.#maxSessions = options.maxSessions ?? DEFAULT_SESSION_LIMITS.maxSessions;
    this.#idleMilliseconds = options.idleMilliseconds ?? DEFAULT_SESSION_LIMITS.idleMilliseconds;
    this.#now = options.now ?? Date.now;
  }

  /** Sessions that are kept now. */
  get size(): number {
    this.#forgetExpired();
    return this.#sessions.size;
  }

  async get(id: string): Promise<StoredSession | undefined> {
    this.#forgetExpired();
    return this.#sessions.get(id);
  }

  async create(id: string, session: Session): Promise<StoredSession> {
    this.#forgetExpired();
    if (!this.#sessions.has(id) && this.#sessions.size >= this.#maxSessions) {
      const [oldest] = this.#sessions.values();
      const seconds = Math.ceil(((oldest?.expires ?? 0) - this.#now()) / 1000);
      throw new SessionsFullError(this.#maxSessions, Math.max(1, seconds));
    }
    return this.#put(id, session);
  }

  async replace(id: string, session: Session, revision: number): Promise<StoredSession | undefined> {
    this.#forgetExpired();
    return this.#sessions.get(id)?.session.revision === revision ? this.#put(id, session) : undefined;
  }

  async delete(id: string): Promise<boolean> {
    this.#forgetExpired();
    return this.#sessions.delete(id);
  }

  #put(id: string, session: Session): StoredSession {
    const stored = { session, expires: this.#now() + this.#idleMilliseconds };
    this.#sessions.delete(id);
    this.#sessions.set(id, stored);
    return stored;
  }

  #forgetExpired(): void {
    const now = this.#now();
    for (const [id, { expires }] of this.#sessions) {
      if (expires > now) return;
      this.#sessions.delete(id);
    }
  }
}
