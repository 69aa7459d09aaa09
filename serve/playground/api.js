/**
 * What the playground asks: the server, or a model in this browser, which answers alike.
 *
 * @typedef {{ label: string, score: number }} LabelScore
 * @typedef {LabelScore[] | { labels: string[], scores: LabelScore[] } | { value: number }} Answer
 * @typedef {{ tokens_read: number, tokens: number, final: boolean, answer: Answer }} Prediction
 * @typedef {{ text: string, start: number, end: number, value: number, occlusion: number | null, unknown: boolean }} Word
 * @typedef {{ label: string | null, value: number, start: number | null, direction: 'forward' | 'backward', pair: boolean, text: string, words: Word[] }} Explanation
 * @typedef {{
 *   name: string, version: string, task: 'singleLabel' | 'multiLabel' | 'regression', labels: string[], directions: string[],
 *   precision?: string, dataLicence?: string, created?: string, range?: [number, number],
 *   members: { direction: string, sizes: Record<string, number>, chunkLength: number, metrics?: Record<string, unknown> }[],
 *   parity?: Record<string, unknown>, limits: { maxTextLength: number }, downloadable: boolean,
 * }} Model
 */

/** @typedef {import('./localServer.js').LocalServer} LocalServer */

/** The server's refusal, in the server's words. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Sent with every request; kept for as long as the page is open, and nowhere else. */
let apiKey = '';

/** @param {string} key */
export function useKey(key) {
  apiKey = key;
}

/** @type {LocalServer | undefined} */
let local;

/** @param {LocalServer | undefined} server reads texts from now on; without one, the server that the page came from does */
export function askAt(server) {
  local = server;
}

/**
 * What a copy of a model is fetched with.
 *
 * @param {Model} model
 */
export function filesOf(model) {
  const path = `${pathOf(model)}/versions/${encodeURIComponent(model.version)}/files`;
  return { name: model.name, files: new URL(path, document.baseURI).href, key: apiKey };
}

/** @returns {Promise<{ default: string, models: Model[] }>} */
export async function fetchModels() {
  return (await ask('v1/models')).json();
}

/**
 * The prediction after each chunk of a text; the last one alone, of models that read from both ends.
 *
 * @param {Model} model
 * @param {string} inputs
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<Prediction, void, undefined>}
 */
export async function* predictions(model, inputs, signal) {
  if (model.directions.includes('backward')) {
    const response = await ask(`${pathOf(model)}/classify`, { inputs }, signal);
    yield { tokens_read: 0, tokens: 0, final: true, answer: await response.json() };
    return;
  }
  const response = await ask(`${pathOf(model)}/classify/stream`, { inputs }, signal);
  for await (const line of linesOf(response)) {
    const event = JSON.parse(line);
    if (event.error) throw new Refusal(response.status, event.error.message);
    yield event;
  }
}

/**
 * @param {Model} model
 * @param {string} inputs
 * @param {string | undefined} label
 * @param {AbortSignal} signal
 * @returns {Promise<Explanation>}
 */
export async function explain(model, inputs, label, signal) {
  const parameters = label === undefined ? {} : { label };
  return (await ask(`${pathOf(model)}/explain`, { inputs, parameters }, signal)).json();
}

/** @param {Model} model */
const pathOf = ({ name }) => `v1/models/${encodeURIComponent(name)}`;

/**
 * @param {string} path
 * @param {object} [body]
 * @param {AbortSignal} [signal]
 */
async function ask(path, body, signal) {
  /** @type {Record<string, string>} */
  const headers = { accept: 'application/x-ndjson, application/json' };
  if (apiKey !== '') headers['authorization'] = `Bearer ${apiKey}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const init = { headers, ...(body && { method: 'POST', body: JSON.stringify(body) }), ...(signal && { signal }) };
  // What has no text in it is about the server itself.
  const asked = body && local;
  let response;
  try {
    response = await (asked ? asked.fetch(path, init) : fetch(path, init));
  } catch (error) {
    if (signal?.aborted || asked) throw error;
    throw new Refusal(0, 'The server cannot be reached. Is it still running?');
  }
  if (response.ok) return response;
  const answer = await response.json().catch(() => undefined);
  throw new Refusal(response.status, answer?.error?.message ?? `The server answered ${response.status}.`);
}

/**
 * @param {Response} response
 * @returns {AsyncGenerator<string, void, undefined>}
 */
async function* linesOf(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) break;
    const lines = (pending + value).split('\n');
    pending = lines.pop() ?? '';
    yield* lines;
  }
  if (pending !== '') yield pending;
}
