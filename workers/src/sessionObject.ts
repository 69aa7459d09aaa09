import { DurableObject } from 'cloudflare:workers';

import { HttpError } from '../../serve/errors.ts';
import { DEFAULT_SESSION_LIMITS, type Session, type SessionStore, type StoredSession } from '../../serve/sessionStore.ts';

const KEY = 'session';

/** What can be asked of the object of a session, from anywhere. */
export interface SessionMethods {
  read(): Promise<StoredSession | undefined>;
  create(session: Session, idleMilliseconds: number): Promise<StoredSession>;
  replace(session: Session, revision: number, idleMilliseconds: number): Promise<StoredSession | undefined>;
  remove(): Promise<boolean>;
}

/**
 * One session, in storage of its own. There is one such object for an id in the whole world, so that its changes have an order; nothing is in
 * memory alone, and nothing is answered before it is on disk. So neither an eviction, nor a crash, nor a new deployment loses what was answered.
 */
export class SessionObject extends DurableObject<unknown> implements SessionMethods {
  async read(): Promise<StoredSession | undefined> {
    const stored = (await this.ctx.storage.get(KEY)) as StoredSession | undefined;
    return stored !== undefined && stored.expires > Date.now() ? stored : undefined;
  }

  async create(session: Session, idleMilliseconds: number): Promise<StoredSession> {
    return this.#put(session, idleMilliseconds);
  }

  async replace(session: Session, revision: number, idleMilliseconds: number): Promise<StoredSession | undefined> {
    // No other call comes in between: while storage is read, the object takes no events.
    const stored = await this.read();
    return stored?.session.revision === revision ? this.#put(session, idleMilliseconds) : undefined;
  }

  async remove(): Promise<boolean> {
    const wasThere = (await this.read()) !== undefined;
    await this.#forget();
    return wasThere;
  }

  /** The session's time is over, unless it began anew meanwhile. */
  async alarm(): Promise<void> {
    const stored = (await this.ctx.storage.get(KEY)) as StoredSession | undefined;
    if (stored !== undefined && stored.expires > Date.now()) await this.ctx.storage.setAlarm(stored.expires);
    else await this.#forget();
  }

  async #put(session: Session, idleMilliseconds: number): Promise<StoredSession> {
    const stored: StoredSession = { session, expires: Date.now() + idleMilliseconds };
    // Writes without anything in between are one: both happen or neither.
    await Promise.all([this.ctx.storage.put(KEY, stored), this.ctx.storage.setAlarm(stored.expires)]);
    return stored;
  }

  async #forget(): Promise<void> {
    await this.ctx.storage.deleteAlarm();
    await this.ctx.storage.deleteAll();
  }
}

/** Sessions, each in an object of its own. There may be any number of them. */
export class SessionObjects implements SessionStore {
  readonly #namespace: DurableObjectNamespace<SessionMethods>;
  readonly #idleMilliseconds: number;

  constructor(namespace: DurableObjectNamespace<SessionMethods>, idleMilliseconds: number = DEFAULT_SESSION_LIMITS.idleMilliseconds) {
    this.#namespace = namespace;
    this.#idleMilliseconds = idleMilliseconds;
  }

  get(id: string): Promise<StoredSession | undefined> {
    return this.#object(id).read();
  }

  create(id: string, session: Session): Promise<StoredSession> {
    return this.#object(id).create(session, this.#idleMilliseconds);
  }

  replace(id: string, session: Session, revision: number): Promise<StoredSession | undefined> {
    return this.#object(id).replace(session, revision, this.#idleMilliseconds);
  }

  delete(id: string): Promise<boolean> {
    return this.#object(id).remove();
  }

  /** Asked for anew each time: a stub belongs to the request that made it. */
  #object(id: string): SessionMethods {
    return this.#namespace.get(this.#namespace.idFromName(id));
  }
}

/** In the place of sessions, where a deployment has none: it says so. States that clients carry need none of this. */
export class NoSessions implements SessionStore {
  readonly isMissing = true;
  get = refuseSession;
  create = refuseSession;
  replace = refuseSession;
  delete = refuseSession;
}

const refuseSession = (): Promise<never> =>
  Promise.reject(
    new HttpError(
      501,
      'not_enabled',
      'This deployment keeps no sessions. `ulmfit deploy <bundle> --sessions` makes one that does; POST /v1/classify/continue needs none.',
    ),
  );
