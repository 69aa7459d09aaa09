import { HttpError } from './errors.ts';
import type { DocumentState } from './classifierRuntime.ts';
import type { PartialDocument } from './partialDocument.ts';

/** The first part of every token: its format. */
const FORMAT = 'u1';
const HEADER_LENGTH_BYTES = 4;

/** Characters of a secret, at least. */
export const SHORTEST_SECRET = 16;

/** What stands before the numbers: everything that is not a float. */
interface Header {
  readonly model: string;
  readonly version: string;
  readonly fingerprint: string;
  readonly rest: string;
  /** Milliseconds since 1970. */
  readonly expires: number;
  /** Of each model: tokens read, width of its pooled outputs, and widths of its layers. */
  readonly states?: readonly { readonly count: number; readonly pooled: number; readonly layers: readonly number[] }[];
}

/**
 * Documents in pieces whose state the client carries: signed, so that nobody can make one up or change it.
 *
 * A token is `u1.<payload>.<signature>`, both in base64url: the payload a header in JSON and the state's numbers as float32, little-endian;
 * the signature HMAC-SHA256 over everything before it. A token is not secret: whoever has it can read the end of the text in it.
 *
 * @example
 * const tokens = new StateTokens({ secret: 'at least sixteen characters' });
 * const { token } = await tokens.seal(document);
 * await tokens.open(token); // the same document
 */
export class StateTokens {
  readonly #secret: Uint8Array<ArrayBuffer> | undefined;
  readonly #lifeMilliseconds: number;
  readonly #now: () => number;
  #key: ReturnType<typeof crypto.subtle.importKey> | undefined;

  /**
   * @param options.secret at least 16 characters, the same for all servers that take each other's tokens; without one it is random, and
   *   tokens are good for this process alone
   * @param options.lifeMilliseconds how long a token can be used; an hour unless told
   * @throws RangeError for a short secret
   */
  constructor(options: { secret?: string | undefined; lifeMilliseconds?: number | undefined; now?: (() => number) | undefined } = {}) {
    const { secret } = options;
    if (secret !== undefined && secret.length < SHORTEST_SECRET) {
      throw new RangeError(`The secret for state tokens has ${secret.length} characters; it needs at least ${SHORTEST_SECRET}.`);
    }
    this.#secret = secret === undefined ? undefined : new TextEncoder().encode(secret);
    this.#lifeMilliseconds = options.lifeMilliseconds ?? 3_600_000;
    this.#now = options.now ?? Date.now;
  }

  /** @returns the token, and until when it can be used, in milliseconds since 1970 */
  async seal(document: PartialDocument): Promise<{ readonly token: string; readonly expires: number }> {
    const expires = this.#now() + this.#lifeMilliseconds;
    const signed = `${FORMAT}.${toBase64Url(encode(document, expires))}`;
    const signature = await crypto.subtle.sign('HMAC', await this.#signingKey(), new TextEncoder().encode(signed));
    return { token: `${signed}.${toBase64Url(new Uint8Array(signature))}`, expires };
  }

  /** @throws HttpError 400 for what is no token of ours, or was changed; 409 for one whose time is over. */
  async open(token: string): Promise<PartialDocument> {
    const [format, payload, signature, ...more] = token.split('.');
    if (format !== FORMAT || payload === undefined || signature === undefined || more.length > 0) throw invalid();
    const bytes = fromBase64Url(payload);
    const given = fromBase64Url(signature);
    if (bytes === undefined || given === undefined) throw invalid();
    const signed = new TextEncoder().encode(`${format}.${payload}`);
    if (!(await crypto.subtle.verify('HMAC', await this.#signingKey(), given, signed))) throw invalid();
    const { document, expires } = decode(bytes);
    if (expires <= this.#now()) {
      throw new HttpError(409, 'state_expired', 'The state is too old. Begin again, and send the text from its beginning.');
    }
    return document;
  }

  /** Made when it is first needed: an edge isolate has no random numbers before its first request. */
  #signingKey(): ReturnType<typeof crypto.subtle.importKey> {
    this.#key ??= crypto.subtle.importKey(
      'raw',
      this.#secret ?? crypto.getRandomValues(new Uint8Array(32)),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign', 'verify'],
    );
    return this.#key;
  }
}

const invalid = () =>
  new HttpError(
    400,
    'invalid_state',
    'state is not one that this server gave out, or was changed. Send it as it came, or leave it out to begin a document.',
  );

function encode({ states, ...document }: PartialDocument, expires: number): Uint8Array<ArrayBuffer> {
  const shapes = states?.map(({ count, pooledMax, hidden }) => ({
    count,
    pooled: pooledMax.length,
    layers: hidden.map((row) => row.length),
  }));
  const header = new TextEncoder().encode(JSON.stringify({ ...document, expires, ...(shapes && { states: shapes }) } satisfies Header));
  const rows = (states ?? []).flatMap(({ hidden, cell, pooledMax, pooledSum }) => [...hidden, ...cell, pooledMax, pooledSum]);
  const floats = rows.reduce((sum, row) => sum + row.length, 0);
  const bytes = new Uint8Array(HEADER_LENGTH_BYTES + header.length + 4 * floats);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, header.length, true);
  bytes.set(header, HEADER_LENGTH_BYTES);
  let offset = HEADER_LENGTH_BYTES + header.length;
  for (const row of rows) {
    for (const value of row) {
      view.setFloat32(offset, value, true);
      offset += 4;
    }
  }
  return bytes;
}

/** The inverse of `encode`, for bytes whose signature was found right. */
function decode(bytes: Uint8Array<ArrayBuffer>): { readonly document: PartialDocument; readonly expires: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerEnd = HEADER_LENGTH_BYTES + view.getUint32(0, true);
  const text = new TextDecoder().decode(bytes.subarray(HEADER_LENGTH_BYTES, headerEnd));
  const { expires, states: shapes, ...document } = JSON.parse(text) as Header;
  let offset = headerEnd;
  const row = (length: number) =>
    Float32Array.from({ length }, () => {
      const value = view.getFloat32(offset, true);
      offset += 4;
      return value;
    });
  const states = shapes?.map(({ count, pooled, layers }): DocumentState => ({
    hidden: layers.map(row),
    cell: layers.map(row),
    pooledMax: row(pooled),
    pooledSum: row(pooled),
    count,
  }));
  return { document: { ...document, ...(states && { states }) }, expires };
}

const CHARACTERS_PER_CALL = 0x8000;

function toBase64Url(bytes: Uint8Array): string {
  let binary = '';
  for (let start = 0; start < bytes.length; start += CHARACTERS_PER_CALL) {
    binary += String.fromCharCode(...bytes.subarray(start, start + CHARACTERS_PER_CALL));
  }
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** @returns undefined for a text that `toBase64Url` does not write */
function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return undefined;
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return toBase64Url(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}
