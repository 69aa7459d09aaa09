import { spawn } from 'node:child_process';
import { UserError } from '../../text/errors.ts';

/** What a finished command left behind. */
export interface Outcome {
  /** Exit status; undefined where a signal ended it. */
  readonly status: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program and the arguments that always come first. */
export type Command = readonly [string, ...string[]];

/** A program of the machine that the installation needs. */
export interface Tool {
  readonly command: Command;
  /** What it says of itself, in one line. */
  readonly version: string;
}

/**
 * Runs a command to its end.
 *
 * @returns undefined where there is no such program
 */
export async function run(
  command: Command,
  args: readonly string[],
  options: { readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<Outcome | undefined> {
  const [program, ...first] = command;
  const child = spawn(program, [...first, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.environment },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve(undefined);
      else reject(error);
    });
    child.once('close', (status, signal) => resolve({ status: status ?? undefined, signal: signal ?? undefined, stdout, stderr }));
  });
}

/** Finds Python 3. */
export async function findPython(): Promise<Tool | undefined> {
  for (const name of ['python3', 'python']) {
    const version = await versionOf([name]);
    if (version?.startsWith('Python 3.')) return { command: [name], version };
  }
  return undefined;
}

/** Finds the pip of a Python. */
export async function findPip(python: Tool): Promise<Tool | undefined> {
  const command: Command = [...python.command, '-m', 'pip'];
  const version = await versionOf(command);
  return version === undefined ? undefined : { command, version };
}

/** Finds a C++ compiler: the one that `CXX` names, or else g++ or clang++. */
export async function findCompiler(environment: NodeJS.ProcessEnv = process.env): Promise<Tool | undefined> {
  const chosen = environment['CXX']?.trim();
  const candidates = chosen ? [chosen.split(/\s+/)] : [['g++'], ['clang++']];
  for (const [program, ...args] of candidates) {
    if (program === undefined) continue;
    const version = await versionOf([program, ...args]);
    if (version !== undefined) return { command: [program, ...args], version };
  }
  return undefined;
}

/** @throws UserError with the cure, where Python or its pip is missing */
export async function requirePip(): Promise<{ readonly python: Tool; readonly pip: Tool }> {
  const python = await findPython();
  if (python === undefined) throw new UserError(PYTHON_MISSING);
  const pip = await findPip(python);
  if (pip === undefined) throw new UserError(PIP_MISSING);
  return { python, pip };
}

/** @throws UserError with the cure, where there is no compiler */
export async function requireCompiler(): Promise<Tool> {
  const compiler = await findCompiler();
  if (compiler !== undefined) return compiler;
  const chosen = process.env['CXX'];
  throw new UserError(chosen ? `The C++ compiler that CXX names, "${chosen}", does not run: correct or unset CXX.` : COMPILER_MISSING);
}

export const PYTHON_MISSING =
  'Python 3 was not found on the PATH; its pip downloads the engine: install it, on Debian and Ubuntu with `sudo apt install python3 python3-pip`.';
export const PIP_MISSING =
  'Python has no pip, which downloads the engine: install it, on Debian and Ubuntu with `sudo apt install python3-pip`, elsewhere with `python3 -m ensurepip --user`.';
export const COMPILER_MISSING =
  'No C++ compiler (g++ or clang++) was found on the PATH: install one, on Debian and Ubuntu with `sudo apt install g++`, or name yours in CXX.';

async function versionOf(command: Command): Promise<string | undefined> {
  const outcome = await run(command, ['--version']);
  if (outcome?.status !== 0) return undefined;
  return outcome.stdout.split('\n')[0]?.trim() ?? '';
}
