import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';

import { UserError } from '../../text/errors.ts';
import { writeFileAtomically } from '../checkpoint/atomicFile.ts';
import { readDocuments } from '../data/readers.ts';
import { printJson } from '../report/results.ts';

/** Where jobs are asked for. */
export interface JobsServer {
  /** Of the Worker, such as `https://reviews.example.workers.dev`. */
  readonly url: string;
  readonly key?: string | undefined;
  readonly json?: boolean | undefined;
}

/** A job as the Worker describes it. */
interface JobDescription {
  readonly id: string;
  readonly state: 'running' | 'finished' | 'incomplete';
  readonly lines: number;
  readonly linesDone: number;
  readonly errors: number;
  readonly deadLetters: readonly { readonly firstLine: number; readonly lines: number }[];
}

/** How often a running job is looked at. */
const POLL_MILLISECONDS = 5_000;

/**
 * `ulmfit jobs submit`: sends documents as a job, as they are read, and prints its id.
 *
 * @throws UserError where the documents cannot be read, or the Worker refuses them
 */
export async function submitJob(
  data: string,
  { text, wait: waits = false, ...server }: JobsServer & { text?: readonly string[] | undefined; wait?: boolean | undefined },
): Promise<void> {
  const body = Readable.toWeb(Readable.from(documentLines(data, text))) as ReadableStream<Uint8Array>;
  const headers = { 'content-type': 'application/x-ndjson' };
  // `duplex` is what Node wants for a body that is still being read.
  const init: RequestInit & { duplex: 'half' } = { method: 'POST', headers, body, duplex: 'half' };
  let job = (await (await ask(server, '/v1/jobs', init)).json()) as JobDescription;
  if (waits) job = await finished(server, job);
  if (server.json === true) return printJson(job);
  console.error(sentenceOf(job));
  console.log(job.id);
}

/** `ulmfit jobs status`: how far a job is. @throws UserError where there is no such job */
export async function showJob(id: string, server: JobsServer): Promise<void> {
  const job = await find(server, id);
  if (server.json === true) return printJson(job);
  console.log(sentenceOf(job));
  for (const { firstLine, lines } of job.deadLetters) console.log(`given up: lines ${firstLine} to ${firstLine + lines - 1}`);
}

/** `ulmfit jobs retry`: another attempt at what was given up. @throws UserError where there is no such job */
export async function retryJob(id: string, server: JobsServer): Promise<void> {
  const job = (await (await ask(server, `/v1/jobs/${encodeURIComponent(id)}/retry`, { method: 'POST' })).json()) as JobDescription;
  if (server.json === true) return printJson(job);
  console.log(sentenceOf(job));
}

/**
 * `ulmfit jobs fetch`: the answers, a line each, to stdout or into a file, which is there as a whole or not at all.
 *
 * @throws UserError where there is no such job, or it is still running
 */
export async function fetchJob(id: string, { out, ...server }: JobsServer & { out?: string | undefined }): Promise<void> {
  const { body } = await ask(server, `/v1/jobs/${encodeURIComponent(id)}/results`);
  if (body === null) throw new Error('The Worker sent no results.');
  if (out === undefined) {
    for await (const piece of body) process.stdout.write(piece);
    return;
  }
  await writeFileAtomically(out, body);
  console.error(`Written to ${out}.`);
}

async function* documentLines(data: string, text: readonly string[] | undefined): AsyncGenerator<Uint8Array> {
  for await (const { fields } of readDocuments(data, { text, labels: 'ignored' })) {
    const [only = '', ...more] = fields;
    if (more.length > 0) throw new UserError('A Worker takes one text a document. Name one column with --text.');
    yield new TextEncoder().encode(`${JSON.stringify({ text: only })}\n`);
  }
}

async function finished(server: JobsServer, job: JobDescription): Promise<JobDescription> {
  let latest = job;
  while (latest.state === 'running') {
    await wait(POLL_MILLISECONDS);
    latest = await find(server, job.id);
    console.error(sentenceOf(latest));
  }
  return latest;
}

async function find(server: JobsServer, id: string): Promise<JobDescription> {
  return (await (await ask(server, `/v1/jobs/${encodeURIComponent(id)}`)).json()) as JobDescription;
}

function sentenceOf({ state, lines, linesDone, errors }: JobDescription): string {
  const share = lines === 0 ? 100 : Math.floor((100 * linesDone) / lines);
  const wrong = errors === 0 ? '' : `, ${errors} of them with an error`;
  return `${state}: ${linesDone} of ${lines} lines (${share} %)${wrong}`;
}

/** @throws UserError with what the Worker says where it refuses, Error where it cannot be reached or fails. */
async function ask({ url, key }: JobsServer, path: string, init: RequestInit = {}): Promise<Response> {
  if (!URL.canParse(url)) throw new UserError(`"${url}" is not an address such as https://reviews.example.workers.dev.`);
  const headers = new Headers(init.headers);
  if (key !== undefined) headers.set('authorization', `Bearer ${key}`);
  const response = await fetch(url.replace(/\/+$/, '') + path, { ...init, headers }).catch((error: unknown) => {
    const { cause } = error as Error;
    if (cause instanceof UserError) throw cause; // the documents, which are read while they are sent
    throw new Error(`${url} cannot be reached: ${cause instanceof Error ? cause.message : String(error)}.`);
  });
  if (response.ok) return response;
  const told = await messageOf(response);
  if (response.status < 500 || response.status === 501) throw new UserError(told);
  throw new Error(told);
}

async function messageOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown } };
    if (typeof error?.message === 'string') return error.message;
  } catch {
    // Not from the Worker, but from something before it.
  }
  return `${response.url} answered ${response.status}. Is it the address of a Worker that \`ulmfit deploy\` made?`;
}
