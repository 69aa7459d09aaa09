/**
 * `node workers/kernel/build.ts [<folder>]`: compiles assembly/lstm.ts to lstm-relaxed.wasm and lstm-plain.wasm, beside this file
 * unless told. The compiler is the npm package assemblyscript; the same version makes the same bytes everywhere.
 */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';

/** What each of the two needs of an engine. */
const FEATURES = { relaxed: ['simd', 'relaxed-simd'], plain: ['simd'] } as const;

/** Where the compiler is, or undefined where it is not installed. */
export function findCompiler(): string | undefined {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')), 'bin', 'asc.js');
  } catch {
    return undefined;
  }
}

/** Compiles both kernels into a folder. */
export async function buildKernels(compiler: string, folder: string): Promise<void> {
  for (const [name, features] of Object.entries(FEATURES)) {
    const output = join(folder, `lstm-${name}.wasm`);
    const switches = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', ...features.flatMap((feature) => ['--enable', feature])];
    await promisify(execFile)(process.execPath, [compiler, 'assembly/lstm.ts', '--outFile', output, ...switches], {
      cwd: import.meta.dirname,
    });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const compiler = findCompiler();
  if (compiler === undefined) {
    console.error('The compiler is missing. `npm ci` installs it: the package assemblyscript.');
    process.exitCode = 1;
  } else await buildKernels(compiler, resolve(process.argv[2] ?? import.meta.dirname));
}
