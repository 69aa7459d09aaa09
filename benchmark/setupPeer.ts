import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../text/errors.ts';
import { PYTHON_MISSING, findPython, run, type Command } from '../trainer/engine/tools.ts';
import { PEER_SCRIPTS, findPeer, peerFolder, pythonOf } from './peer.ts';

/** Written last: which requirements the folder fulfils. */
const MARKER = 'complete.txt';

const REQUIREMENTS = join(PEER_SCRIPTS, 'requirements.txt');
const WITHOUT_DEPENDENCIES = join(PEER_SCRIPTS, 'without-dependencies.txt');

/**
 * Installs PyTorch and fastai for the benchmark into a virtual environment of its own in the cache.
 *
 * @returns the Python that has them, and whether it was there already
 * @throws UserError where Python or its venv is missing, or pip fails
 */
export async function setupPeer(log: (line: string) => void): Promise<{ readonly python: string; readonly already: boolean }> {
  const folder = peerFolder();
  const python = pythonOf(folder);
  if (isComplete(folder) && 'python' in (await findPeer(undefined))) return { python, already: true };
  const system = await findPython();
  if (system === undefined) throw new UserError(PYTHON_MISSING);
  await rm(folder, { recursive: true, force: true });
  await mkdir(dirname(folder), { recursive: true });
  log(`making a virtual environment in ${folder}`);
  await succeed(
    [...system.command, '-m', 'venv', folder],
    'Python could not make a virtual environment; on Debian and Ubuntu `sudo apt install python3-venv` helps. It said:',
  );
  const pip: Command = [python, '-m', 'pip', 'install', '--disable-pip-version-check', '--quiet'];
  log('downloading PyTorch and what fastai needs (300 MB to several GB, as PyTorch is built for this machine)');
  await succeed([...pip, '-r', REQUIREMENTS], 'pip could not install PyTorch; it needs Python 3.11 or newer, and said:');
  log('downloading fastai');
  await succeed([...pip, '--no-deps', '-r', WITHOUT_DEPENDENCIES], 'pip could not install fastai; it said:');
  const found = await findPeer(undefined);
  if ('skipped' in found) throw new Error(`PyTorch and fastai are installed in ${folder}, but do not run: ${found.skipped}`);
  await writeFile(join(folder, MARKER), requirementsHash());
  return { python, already: false };
}

function isComplete(folder: string): boolean {
  const marker = join(folder, MARKER);
  return existsSync(marker) && readFileSync(marker, 'utf8') === requirementsHash();
}

function requirementsHash(): string {
  const hash = createHash('sha256');
  for (const file of [REQUIREMENTS, WITHOUT_DEPENDENCIES]) hash.update(readFileSync(file));
  return hash.digest('hex');
}

async function succeed(command: Command, otherwise: string): Promise<void> {
  const outcome = await run(command, []);
  if (outcome?.status !== 0) throw new UserError(`${otherwise}\n${outcome?.stderr.trim() ?? 'nothing'}`);
}
