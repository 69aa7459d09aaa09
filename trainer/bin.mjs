#!/usr/bin/env node
// Starts the command line. Plain JavaScript for any Node, because the sources are TypeScript, which Node runs from 22.18 on. Where npm has
// installed this as a package, Node takes JavaScript alone, and the package has it in dist.
import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The Node that `npm ci` brings along as a development dependency of the repository. */
const ownNode = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));

if (runsTypeScript()) {
  const { main } = await import(import.meta.url.includes('/node_modules/') ? '../dist/trainer/main.js' : './main.ts');
  await main(process.argv.slice(2));
} else if (existsSync(ownNode) && realpathSync(ownNode) !== realpathSync(process.execPath)) {
  await startAgain(ownNode);
} else {
  console.error(
    `ulmfit needs Node.js 22.18 or newer, and this is ${process.version}. Install a newer one; in a copy of the repository, npm ci brings its own.`,
  );
  process.exitCode = 1;
}

function runsTypeScript() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 18);
}

/**
 * Runs this file with another Node and ends as that one ends. A signal from the terminal reaches both, so here it is left to the other.
 *
 * @param {string} node
 */
function startAgain(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      process.exitCode = code ?? 128 + constants.signals[signal];
      resolve(undefined);
    });
  });
}
