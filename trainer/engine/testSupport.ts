/** Runs programs of this project as a user's shell would: in processes of their own, with their own environment. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder, engineLayout, isInstalled } from './cache.ts';
import { engineBuild } from './platform.ts';

export interface Ending {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs. */
export interface Running {
  readonly child: ChildProcess;
  readonly ending: Promise<Ending>;
  /** Resolves once standard error holds the text. */
  sees(text: string): Promise<void>;
}

/** Why the tests of the installation are skipped, or false where the engine can be installed. */
export const UNSUPPORTED = reasonOf(() => engineBuild());

/** Why the tests that need the engine are skipped, or false where it is installed. */
export const ENGINE_MISSING = UNSUPPORTED || (!isInstalled(engineLayout()) && 'the engine is not installed: run `npx ulmfit setup`');

/** Why the tests that compile the binding several times are skipped, or false. */
export const TOO_SLOW =
  ENGINE_MISSING || (!process.env['CI'] && !process.env['ULMFIT_SLOW_TESTS'] && 'compiles for a minute: set ULMFIT_SLOW_TESTS=1');

/** Starts JavaScript source as a module, in a process group of its own. A variable that is undefined is unset. */
export function start(source: string, environment: Readonly<Record<string, string | undefined>> = {}): Running {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...environment },
    detached: true,
  });
  let stdout = '';
  let stderr = '';
  let changed = () => {};
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    changed();
  });
  const ending = new Promise<Ending>((resolve) => {
    child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  const sees = (text: string) =>
    new Promise<void>((resolve, reject) => {
      changed = () => stderr.includes(text) && resolve();
      changed();
      void ending.then(() => reject(new Error(`ended without saying "${text}": ${stderr}`)));
    });
  return { child, ending, sees };
}

/** Source that runs a command and ends as the command line does: 2 and the message alone for a user's mistake. */
export function commandSource(name: 'setup' | 'doctor', options: object = {}): string {
  const command = new URL(`../commands/${name}.ts`, import.meta.url).href;
  const errors = new URL('../../text/errors.ts', import.meta.url).href;
  return `
    import { ${name} } from ${JSON.stringify(command)};
    import { UserError } from ${JSON.stringify(errors)};
    try {
      await ${name}(${JSON.stringify(options)});
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      console.error(error.message);
      process.exitCode = 2;
    }`;
}

function reasonOf(attempt: () => unknown): string | false {
  try {
    attempt();
    return false;
  } catch (error) {
    return String(error);
  }
}

/** A cache in which the library lies, linked from the real one, and the addons are still to be compiled. */
export function cacheWithLibrary(folder: string): string {
  const { library } = engineLayout(cacheFolder());
  mkdirSync(join(folder, 'engine'), { recursive: true });
  symlinkSync(library, join(folder, 'engine', basename(library)));
  return folder;
}

/** A folder for PATH that holds these programs and no others, each a shell script. */
export function pathWith(folder: string, programs: Readonly<Record<string, string>>): string {
  mkdirSync(folder, { recursive: true });
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return folder;
}
