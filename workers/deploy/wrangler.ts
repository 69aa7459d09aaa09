/** Runs wrangler, the platform's own tool, which builds, uploads and serves locally. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { UserError } from '../../text/errors.ts';
import { installedFile } from '../program.ts';

/** Keeps wrangler from asking the network for anything: usage reports, updates, and the place to claim requests come from. */
export const OFFLINE = {
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_SEND_ERROR_REPORTS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
};

const PLAIN_TEXT = { FORCE_COLOR: '0', NO_COLOR: '1' };

/** An entry of what wrangler reports to programs. */
export interface WranglerEntry {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** How a run of wrangler ended. */
export interface WranglerRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What it reported to programs. */
  readonly entries: readonly WranglerEntry[];
}

/**
 * The script that is the wrangler installed beside this program.
 *
 * @throws UserError when there is none
 */
export function wranglerScript(): string {
  return join(dirname(installedFile('wrangler/package.json', 'builds and uploads Workers')), 'bin', 'wrangler.js');
}

/** wrangler, wherever it is installed. */
export class Wrangler {
  readonly #command: readonly [string, ...string[]];

  /** @param command the program and its first arguments */
  constructor(command: readonly [string, ...string[]]) {
    this.#command = command;
  }

  /**
   * The wrangler that ULMFIT_WRANGLER names, or the one that is installed beside this program.
   *
   * @throws UserError when there is none
   */
  static find(): Wrangler {
    const own = process.env['ULMFIT_WRANGLER'];
    if (own !== undefined && own !== '') return new Wrangler([own]);
    return new Wrangler([process.execPath, wranglerScript()]);
  }

  /** Runs a command to its end, whatever that is. */
  async run(args: readonly string[]): Promise<WranglerRun> {
    const folder = await mkdtemp(join(tmpdir(), 'ulmfit-wrangler-'));
    try {
      const reports = join(folder, 'reports.ndjson');
      const child = this.#spawn(args, { WRANGLER_OUTPUT_FILE_PATH: reports });
      const [stdout, stderr] = [gather(child.stdout), gather(child.stderr)];
      const code = await new Promise<number>((resolve, reject) => {
        child.once('error', reject);
        child.once('close', (status) => resolve(status ?? 1));
      });
      return { code, stdout: stdout.text, stderr: stderr.text, entries: await readEntries(reports) };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /**
   * Runs a command that must succeed.
   *
   * @param what is being done, for the message: "build the Worker"
   * @throws Error with what wrangler said
   */
  async must(what: string, args: readonly string[]): Promise<WranglerRun> {
    const run = await this.run(args);
    if (run.code !== 0) throw new Error(`wrangler could not ${what}: ${reasonOf(run)}`);
    return run;
  }

  /** Starts a command that goes on until it is killed. */
  start(args: readonly string[]): ChildProcess {
    return this.#spawn(args, {});
  }

  /** @throws UserError unless somebody is logged in, or a token is set */
  async requireLogin(): Promise<void> {
    const { code, stdout } = await this.run(['whoami', '--json']);
    if (code === 0 && !/"loggedIn"\s*:\s*false/.test(stdout)) return;
    throw new UserError(
      'wrangler is not logged in to Cloudflare. Run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN (and CLOUDFLARE_ACCOUNT_ID where you ' +
        'have several accounts). `ulmfit deploy --dry-run` checks everything but the upload without an account.',
    );
  }

  #spawn(args: readonly string[], env: Readonly<Record<string, string>>) {
    const [program, ...first] = this.#command;
    return spawn(program, [...first, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...OFFLINE, ...PLAIN_TEXT, ...env },
    });
  }
}

/** Why a run failed, as wrangler tells programs, or else people. */
export function reasonOf({ entries, stderr, stdout }: WranglerRun): string {
  const failed = entries.findLast(({ type }) => type === 'command-failed');
  if (typeof failed?.['message'] === 'string') return failed['message'];
  return stderr.trim() || stdout.trim() || 'it gave no reason';
}

/** The code of the platform's error, if that was what failed. */
export const errorCodeOf = ({ entries }: WranglerRun): unknown => entries.findLast(({ type }) => type === 'command-failed')?.['code'];

function gather(stream: NodeJS.ReadableStream): { text: string } {
  const gathered = { text: '' };
  stream.setEncoding('utf8');
  stream.on('data', (piece: string) => {
    gathered.text += piece;
  });
  return gathered;
}

async function readEntries(path: string): Promise<WranglerEntry[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as WranglerEntry);
}
